/** Puts the mask on the worker thread that loads it. It does so at once, because nobody waits for what comes later. */
import { maskThisWorker } from "./workers.ts";

maskThisWorker();
