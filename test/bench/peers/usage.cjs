// Required before a peer's own code: tells at its end what it has used.
const { writeSync } = require("node:fs");

process.once("exit", () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const usage = { rssMb: maxRSS / 1024, cpuMs: (userCPUTime + systemCPUTime) / 1000 };
  writeSync(1, `\nusage ${JSON.stringify(usage)}\n`);
});
