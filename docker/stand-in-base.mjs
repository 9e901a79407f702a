// Makes stand-ins for the hardened images, for machines that can't pull dhi.io:
//   stand-in/node:24      what dhi.io/node:24-debian13 is to an app: user node 1000:1000, /app owned by root, no shell
//   stand-in/node:24-dev  the same with root, a shell and npm, for the build stage of a Dockerfile
//
//   node docker/stand-in-base.mjs
//   docker build --network host --build-arg DEV_BASE=stand-in/node:24-dev --build-arg BASE=stand-in/node:24 .
//
// They are made of files of this machine, so it takes Linux, a Docker engine, npm, and the Node that `npm ci` installed.
// For tests only: they are as hardened as the machine is.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NODE = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));
const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const NODE_VERSION = run(NODE, "--version").slice(1);

process.umask(0o022); // the image's user has to be able to read what is laid here
makeImage("stand-in/node:24", layRuntime, [
  ...["USER node", "WORKDIR /app", 'CMD ["node"]'],
  ...[`ENV PATH=${PATH}`, `ENV NODE_VERSION=${NODE_VERSION}`],
]);
makeImage("stand-in/node:24-dev", layDevelopment, [
  ...["USER root", "WORKDIR /app", 'CMD ["node"]'],
  ...[`ENV PATH=${PATH}`, `ENV NODE_VERSION=${NODE_VERSION}`, ...npmSettings()],
]);

function makeImage(tag, lay, changes) {
  const folder = mkdtempSync(join(tmpdir(), "stand-in-"));
  try {
    const root = join(folder, "root");
    mkdirSync(root);
    lay(root);
    const archive = join(folder, "root.tar");
    const owner = ["--owner=0", "--group=0", "--numeric-owner"];
    run("tar", "--create", "--file", archive, ...owner, "--directory", root, ".");
    run("docker", "import", ...changes.flatMap((change) => ["--change", change]), archive, tag);
    console.log(`made ${tag} (node ${NODE_VERSION})`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The user is made by name, as in the hardened images: a Dockerfile has to set the number itself. */
function layRuntime(root) {
  const write = (path, ...lines) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${lines.join("\n")}\n`);
  };
  write("/etc/passwd", "root:x:0:0:root:/root:/nonexistent", "node:x:1000:1000:node:/home/node:/nonexistent");
  write("/etc/group", "root:x:0:", "node:x:1000:");
  write("/etc/nsswitch.conf", "hosts: files dns");
  for (const folder of ["/app", "/run", "/root", "/tmp"]) mkdirSync(join(root, folder));
  chmodSync(join(root, "/tmp"), 0o1777);
  copy(root, CERTIFICATES);
  copyProgram(root, NODE, "/usr/local/bin/node");
}

/** What npm needs, and what the scripts of packages and the lines of a Dockerfile commonly call. */
function layDevelopment(root) {
  layRuntime(root);
  for (const name of [
    "bash",
    "sh",
    "env",
    "cat",
    "chmod",
    "chown",
    "cp",
    "ln",
    "ls",
    "mkdir",
    "mv",
    "rm",
    "uname",
  ]) {
    copyProgram(root, run("which", name), join("/usr/bin", name));
  }
  symlinkSync("usr/bin", join(root, "/bin"));
  const npm = dirname(dirname(realpathSync(run("which", "npm"))));
  copy(root, npm, "/usr/local/lib/node_modules/npm");
  symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", join(root, "/usr/local/bin/npm"));
}

/** How this machine reaches the registry. Not its .npmrc, which may hold tokens. */
function npmSettings() {
  const variables = {
    NODE_EXTRA_CA_CERTS: CERTIFICATES,
    npm_config_registry: run("npm", "config", "get", "registry"),
  };
  return Object.entries(variables).map(([name, value]) => `ENV ${name}=${value}`);
}

function copyProgram(root, path, target) {
  copy(root, path, target);
  // "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)", and the loader without an arrow
  for (const [library] of run("ldd", path).matchAll(/\/\S+(?= \(0x)/g)) copy(root, library);
}

/** Follows symbolic links: the stand-in has no other copy to point to. */
function copy(root, path, target = path) {
  mkdirSync(dirname(join(root, target)), { recursive: true });
  cpSync(realpathSync(path), join(root, target), { recursive: true, dereference: true });
}

function run(program, ...args) {
  return execFileSync(program, args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 }).trim();
}
