// The app that everybody starts. What is measured ends with its first line, which shows that the secrets have arrived.
process.stdout.write(`up ${process.env.S0}\n`, () => {
  if (process.env.BENCH_STAY) setInterval(() => {}, 1_000);
  else process.exit(0);
});
