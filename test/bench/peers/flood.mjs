// Writes lines as a logger does, and says how many of them it got through in a second.
const LINES = 300_000;
const line = (index) =>
  `{"level":"info","time":1767225600000,"request":${index},"path":"/orders/${index % 977}","ms":12,"message":"request completed"}\n`;

const started = performance.now();
for (let index = 0; index < LINES; index++) process.stdout.write(line(index));
process.stdout.write("", () => {
  const seconds = (performance.now() - started) / 1000;
  process.stdout.write(`lines a second: ${Math.round(LINES / seconds)}\n`, () => process.exit(0));
});
