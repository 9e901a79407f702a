# The entrypoint that people have where there is a shell.
set -eu
i=0
while [ "$i" -lt "$BENCH_COUNT" ]; do
  export "S$i=$(aws secretsmanager get-secret-value --secret-id "shop/bench/s$i" --query SecretString --output text | jq -r .value)"
  i=$((i + 1))
done
exec "$BENCH_NODE" "$BENCH_APP"
