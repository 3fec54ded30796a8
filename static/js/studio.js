// What HTML alone cannot do. Each module holds one matter and listens as soon as it is loaded. The page preloads them
// all (templates/shell/_script.html), so that the browser does not find them one after the other.

import "./preferences.js";
import "./toast.js";
import "./live.js";
import "./buttons.js";
import "./ordering/compose.js";
import "./ordering/mix.js";
import "./ordering/previews.js";
import "./ordering/draft.js";
import "./ordering/reference.js";
import "./ordering/size.js";
import "./ordering/completion.js";
import "./ordering/earlier.js";
import "./gallery/tiles.js";
import "./keeping/marks.js";
import "./keeping/boards.js";
import "./uploads.js";
import "./ordering/dropped.js";
import "./datasets/captions.js";
import "./fields.js";
import "./datasets/crops.js";
import "./keys.js";
import "./gallery/stage.js";
import "./gallery/select.js";
import "./gallery/marquee.js";
import "./gallery/compare.js";
import "./gallery/news.js";
import "./gallery/walking.js";
import "./gallery/reels.js";
