// What HTML alone cannot do. Each module holds one matter and listens as soon as it is loaded. The page preloads them
// all (templates/shell/_script.html), so that the browser does not find them one after the other.

import "./preferences.js";
import "./toast.js";
import "./live.js";
import "./buttons.js";
import "./compose.js";
import "./mix.js";
import "./previews.js";
import "./tiles.js";
import "./uploads.js";
import "./dropped.js";
import "./captions.js";
import "./fields.js";
import "./crops.js";
import "./keys.js";
