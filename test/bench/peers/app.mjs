// The app that everybody starts. What is measured ends with its first line, which shows that the secrets have arrived: the
// length of one, as the value itself would be blanked out.
process.stdout.write(`up ${process.env.S0?.length}\n`, () => {
  if (process.env.BENCH_STAY) setInterval(() => {}, 1_000);
  else process.exit(0);
});
