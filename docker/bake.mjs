// Makes of entrypoint.mjs what lies in an image, where a start has nothing to compile: a folder with the bundle's top and its parts, and
// beside each part what V8 makes of it.
//
//   node bake.mjs [path of entrypoint.mjs] [folder]
//
// V8 takes its code only from the very Node (and Node options) that made it, and compiles as usual otherwise: run it in the build stage
// of an image, whose Node is the final one's. What is worth keeping is what a boot runs, so this boots a few times against managers
// that it plays itself on loopback. No network is needed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const SELF = fileURLToPath(import.meta.url);
/** By this name the bundle says what it has compiled. */
const COMPILED = Symbol.for("sallyport.compiled");
const { KEEP_COMPILED_IN: folder } = process.env;

const VALUES = { text: "a value", url: "https://example.com", port: "8080" };
/** By call, the least that a boot can do with. */
const ANSWERS = [
  [
    "/credentials",
    () => ({ AccessKeyId: "A", SecretAccessKey: "S", Token: "T", Expiration: "2999-01-01T00:00:00Z" }),
  ],
  [
    "secretsmanager.BatchGetSecretValue",
    () => ({
      SecretValues: [{ Name: "app", ARN: "arn:app", VersionId: "1", SecretString: JSON.stringify(VALUES) }],
      Errors: [{ SecretId: "more", ErrorCode: "ResourceNotFoundException", Message: "" }],
    }),
  ],
  ["/api/v1/auth/universal-auth/login", () => ({ accessToken: "token" })],
  ["/api/v4/secrets", () => ({ secrets: Object.entries(VALUES).map(toInfisical), imports: [] })],
];

if (folder) keepCompiled(folder);
else {
  const [bundle = join(import.meta.dirname, "entrypoint.mjs"), baked = join(dirname(bundle), "baked")] =
    process.argv.slice(2);
  await bake(layOut(resolve(bundle), resolve(baked)));
}

/** Inside the process that boots. What an earlier boot has kept is in what this one keeps. */
function keepCompiled(folder) {
  const scripts = new Map();
  globalThis[COMPILED] = scripts;
  process.on("exit", () => {
    for (const [name, script] of scripts)
      writeFileSync(join(folder, `${name}.cache`), script.createCachedData());
  });
}

/** Node reads and scans all of the file that it starts, so of the parts there is none in it. */
function layOut(bundle, baked) {
  const entrypoint = join(baked, "entrypoint.mjs");
  if (entrypoint === bundle) throw new Error(`${baked} holds the bundle itself; name another folder`);
  const lines = readFileSync(bundle, "latin1").split("\n");
  const isPart = (line) => line.startsWith("//({");
  const names = lines
    .filter((line) => /^ {2}\{"name":/.test(line))
    .map((line) => JSON.parse(line.slice(0, -1)).name);
  if (names.length === 0 || names.length !== lines.filter(isPart).length)
    throw new Error(`${bundle} is no bundle with its parts in it; is it baked already?`);
  rmSync(`${entrypoint}.parts`, { recursive: true, force: true });
  mkdirSync(`${entrypoint}.parts`, { recursive: true });
  writeFileSync(entrypoint, lines.filter((line) => !isPart(line)).join("\n"), { mode: 0o755 });
  for (const [index, line] of lines.filter(isPart).entries())
    writeFileSync(join(`${entrypoint}.parts`, names[index]), line.slice("//".length));
  for (const suffix of [".map", ".LEGAL.txt"])
    if (existsSync(bundle + suffix)) copyFileSync(bundle + suffix, entrypoint + suffix);
  return entrypoint;
}

async function bake(entrypoint) {
  const cwd = mkdtempSync(join(tmpdir(), "bake-"));
  const managers = createServer(answer).listen(0, "127.0.0.1");
  try {
    await once(managers, "listening");
    layApp(cwd);
    const url = `http://127.0.0.1:${managers.address().port}`;
    for (const environment of environments(url)) {
      const env = { ...environment, KEEP_COMPILED_IN: `${entrypoint}.parts` };
      await boot((...args) => spawn(process.execPath, ["--import", SELF, entrypoint, ...args], { cwd, env }));
    }
  } finally {
    managers.close();
    managers.closeAllConnections();
    rmSync(cwd, { recursive: true });
  }
}

/** From start to stop, with a probe in between. */
async function boot(run) {
  const container = run();
  let log = "";
  for (const stream of [container.stdout, container.stderr]) stream.on("data", (text) => (log += text));
  const exit = once(container, "close");
  await Promise.race([once(container.stdout, "data"), exit]);
  const probe = run("healthcheck");
  await once(probe, "close");
  container.kill("SIGTERM");
  const [code] = await exit;
  if (code !== 0 || probe.exitCode !== 0) throw new Error(`the bundle did not boot:\n${log}`);
}

function layApp(cwd) {
  const settings = {
    TEXT: "app/text",
    URL: { from: "app/url", type: "url" },
    PORT: { from: "app/port", type: "port" },
  };
  const config = {
    app: { wrap: "./app.mjs" },
    secrets: {
      aws: { provider: "aws-secrets-manager" },
      infisical: { provider: "infisical", environment: "prod" },
      files: { provider: "files", directory: "." },
    },
    settings: { ...settings, FLAG: { from: "more/flag", type: "boolean", optional: true } },
    drainDelay: "0s",
  };
  const app = 'import { createServer } from "node:http"; createServer().listen(0, () => console.log("up"));';
  writeFileSync(join(cwd, "sallyport.config.json"), JSON.stringify(config));
  writeFileSync(join(cwd, "app.json"), JSON.stringify(VALUES));
  writeFileSync(join(cwd, "app.mjs"), app);
}

function environments(url) {
  const aws = {
    REGION: "eu-west-1",
    AWS_ENDPOINT_URL: url,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/credentials`,
  };
  const names = ["CLIENT_ID", "CLIENT_SECRET", "PROJECT_ID"].map((name) => [`INFISICAL_${name}`, "none"]);
  return [
    { ENVIRONMENT: "files" },
    { ENVIRONMENT: "infisical", INFISICAL_URL: url, ...Object.fromEntries(names) },
    { ENVIRONMENT: "aws", ...aws },
  ];
}

function answer({ url, headers }, response) {
  const call = headers["x-amz-target"] ?? new URL(url, "http://loopback").pathname;
  const [, found = () => ({})] = ANSWERS.find(([path]) => call.startsWith(path)) ?? [];
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(found()));
}

function toInfisical([secretKey, secretValue]) {
  return { secretKey, secretValue, version: 1, type: "shared" };
}
