// All pages: htmx for forms and parts of pages, the stream of changes, and small comforts. Every page works without this.

import htmx from "htmx.org";

import { followCards } from "./parts/cards.js";
import { followChoices } from "./parts/choices.js";
import { followDetails } from "./parts/details.js";
import { followDialogs } from "./parts/dialogs.js";
import { followElapsed } from "./parts/elapsed.js";
import { followForms } from "./parts/forms.js";
import { followStream } from "./parts/live.js";
import { followMenus } from "./parts/menus.js";
import { followNotices } from "./parts/notices.js";
import { followPasskeys } from "./parts/passkeys.js";
import { followTable } from "./parts/table.js";
import { followTheme } from "./parts/theme_choice.js";
import { followThumbnails } from "./parts/thumbnails.js";
import { followQueue } from "./parts/waiting.js";

followMenus();
followNotices();
followPasskeys();
followForms();
followElapsed();
followDialogs(htmx);
followChoices();
followTheme();
followCards(htmx);
followThumbnails();
followDetails(htmx);
followTable();
followQueue();
followStream(document.body.dataset.events);
