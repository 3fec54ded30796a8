// What HTML alone cannot do, and no more: each module holds one matter, and begins when it is loaded. base.html names
// them all, so that the browser asks for them at once.

import "./preferences.js";
import "./toast.js";
import "./live.js";
import "./buttons.js";
import "./compose.js";
import "./mix.js";
import "./previews.js";
import "./uploads.js";
import "./captions.js";
import "./fields.js";
import "./crops.js";
import "./keys.js";
