// Entry: every part listens on the document, so what htmx swaps in works without being set up again.
import { start as commandMenu } from "./palette.js";
import { start as copying } from "./copy.js";
import { start as dialogs } from "./dialogs.js";
import { start as guards } from "./guard.js";
import { start as keys } from "./keys.js";
import { start as live } from "./live.js";
import { start as passkeys } from "./passkey.js";
import { start as rollouts } from "./rollout.js";
import { start as themes } from "./theme.js";
import { start as times } from "./times.js";

for (const begin of [themes, dialogs, live, keys, commandMenu, times, copying, rollouts, guards, passkeys]) begin();
document.documentElement.dataset.ready = "";
