/** Finds secrets in the environment: by the names of variables, by known values, and by what looks like one. */
import type { Exposure } from "./exposure.ts";
import { isSecretName } from "./names.ts";

export interface EnvironmentToCheck {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Settings that are confidential. */
  readonly secrets: readonly string[];
  /** The settings whose values stand in a text. */
  readonly find: (text: string) => readonly string[];
}

/** Their makers read a password, a key or a token from them, and nothing else. */
const KNOWN = new Set(
  [
    "DATABASE_PASSWORD DB_PASSWORD PGPASSWORD POSTGRES_PASSWORD MYSQL_PASSWORD MYSQL_PWD MYSQL_ROOT_PASSWORD",
    "MARIADB_PASSWORD MARIADB_ROOT_PASSWORD MONGO_INITDB_ROOT_PASSWORD REDIS_PASSWORD REDISCLI_AUTH RABBITMQ_DEFAULT_PASS",
    "JWT_SECRET SESSION_SECRET COOKIE_SECRET NEXTAUTH_SECRET AUTH_SECRET SECRET_KEY SECRET_KEY_BASE APP_SECRET",
    "AZURE_CLIENT_SECRET VAULT_TOKEN BAO_TOKEN INFISICAL_TOKEN INFISICAL_CLIENT_SECRET DOPPLER_TOKEN",
    "OP_SERVICE_ACCOUNT_TOKEN OP_CONNECT_TOKEN DOTENV_KEY DOTENV_PRIVATE_KEY GITHUB_TOKEN GH_TOKEN GITLAB_TOKEN",
    "NPM_TOKEN NODE_AUTH_TOKEN STRIPE_SECRET_KEY STRIPE_API_KEY STRIPE_WEBHOOK_SECRET TWILIO_AUTH_TOKEN",
    "SENDGRID_API_KEY MAILGUN_API_KEY POSTMARK_API_TOKEN SLACK_BOT_TOKEN SLACK_SIGNING_SECRET DISCORD_TOKEN",
    "TELEGRAM_BOT_TOKEN OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY HF_TOKEN DD_API_KEY SENTRY_AUTH_TOKEN",
    "CLOUDFLARE_API_TOKEN HCLOUD_TOKEN DIGITALOCEAN_TOKEN HEROKU_API_KEY",
  ].flatMap((line) => line.split(" ")),
);
/** Put there by the platform, and masked; or about the shell. */
const PLATFORM = new Set(
  "AWS_CONTAINER_AUTHORIZATION_TOKEN IDENTITY_HEADER MSI_SECRET PATH HOME PWD HOSTNAME ENVIRONMENT REGION AWS_REGION".split(
    " ",
  ),
);
/** A URL with a password, a private key, and tokens that tell by their first letters what they are. */
const SECRET_VALUE =
  /^[a-z][a-z\d+.-]*:\/\/[^\s/@:]*:[^\s/@]+@|-----BEGIN [A-Z ]*PRIVATE KEY|\b(AKIA[A-Z\d]+$|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|[rs]k_live_|whsec_|sk-(ant|proj)-|SG\.[\w-]{16,}|hooks\.slack\.com\/services\/|npm_[A-Za-z\d]+$|eyJ[\w-]+\.eyJ)/;
/** What is said of a secret, and is none. */
const HARMLESS_NAME =
  /_(TTL|MODE|TYPE|METHOD|ALGORITHM|ISSUER|AUDIENCE|NAME|HEADER|PREFIX|LENGTH|EXPIRY|EXPIRES_IN|MAX_AGE)$/;
/** A switch, a number, a time, a path, an address without a login. */
const HARMLESS_VALUE =
  /^([\d.]*|\d+(ms|[smhd])|true|false|yes|no|on|off|none|[~./].*|[a-z][a-z\d+.-]*:\/\/[^\s@]*)$/;

export function checkEnvironment({ env, secrets, find }: EnvironmentToCheck): Exposure[] {
  return Object.entries(env).flatMap(([subject, value = ""]) => {
    const found =
      PLATFORM.has(subject) || subject.startsWith("npm_")
        ? undefined
        : judge(subject, value, { secrets, find });
    return found ? [{ subject, ...found }] : [];
  });
}

function judge(
  name: string,
  value: string,
  { secrets, find }: Omit<EnvironmentToCheck, "env">,
): Omit<Exposure, "subject"> | undefined {
  const isEmpty = value.trim() === "";
  if (secrets.includes(name) && !isEmpty)
    return severe("is a setting that comes from the manager, and the environment has it, too");
  const held = find(value).filter((it) => secrets.includes(it));
  if (held.length > 0) return severe(`holds the value of ${held.join(" and ")}`);
  if (KNOWN.has(name) && !isEmpty) return severe("is a secret by its name");
  if (SECRET_VALUE.test(value)) return suspect("looks like a secret by its value");
  return isSecretName(name) && !HARMLESS_NAME.test(name) && !HARMLESS_VALUE.test(value.toLowerCase())
    ? suspect("looks like a secret by its name")
    : undefined;
}

const WHERE = "docker inspect, /proc, children and crash reports show the environment";

function severe(message: string) {
  return { message: `${message}: ${WHERE}; take it out, and read it from the manager`, isSevere: true };
}

function suspect(message: string) {
  return { message: `${message}: ${WHERE}`, isSevere: false };
}
