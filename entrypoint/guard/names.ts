/** Tells by its name what is likely to be confidential. */

const WORDS = [
  ...["password", "passwd", "passphrase", "pass", "pwd", "secret", "token", "credentials?", "auth"],
  ...[
    "api_?key",
    "access_?key",
    "private_?key",
    "secret_?key",
    "signing_?key",
    "encryption_?key",
    "auth_?key",
  ],
];
/** One of them is in each of the words above; a look for them costs less than the pattern, which few names need. */
const ROOTS = ["pass", "pwd", "secret", "token", "credential", "auth", "key"];
const SECRET = new RegExp(`(^|[^a-z])(${WORDS.join("|")})([^a-z]|$)`);

/** `STRIPE_API_KEY`, `db-password`, `apiKey`. */
export function isSecretName(name: string): boolean {
  const lower = name.toLowerCase();
  if (!ROOTS.some((root) => lower.includes(root))) return false;
  return SECRET.test(name.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase());
}
