/** Who this container is to AWS: the workload's own identity inside a container, a developer's credentials outside. */
import { existsSync } from "node:fs";
import {
  fromHttp,
  fromInstanceMetadata,
  fromNodeProviderChain,
  fromTokenFile,
} from "@aws-sdk/credential-providers";
import type { AwsCredentialIdentity } from "@aws-sdk/types";
import { errorName, SallyportError } from "../../errors.ts";
import { networkFault } from "../../http.ts";
import type { Log } from "../../log.ts";
import { TransientError } from "../../retry.ts";
import { endpointFor } from "./endpoint.ts";
import { isIdentityFault, isNetworkFault, isTransientFault } from "./faults.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface IdentitySource {
  /** For logs: `the ECS task role`. */
  readonly title: string;
  /** One try. Throws a `TransientError` for what may pass, else IDENTITY_MISSING or IDENTITY_REFUSED. */
  resolve(): Promise<AwsCredentialIdentity>;
}

const TIMEOUT_MS = 2_000;
const EKS_AGENT = /^http:\/\/(169\.254\.170\.23|\[fd00:ec2::23\])/;

/**
 * The platform's variables decide. A profile or static keys count only outside a container: inside one they are the very
 * secrets in the environment that this product removes.
 */
export function findIdentity(
  env: Env,
  region: string,
  log: Log,
  isContainer = inContainer(env),
): IdentitySource {
  if (env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI) return container("the ECS task role", env);
  const uri = env.AWS_CONTAINER_CREDENTIALS_FULL_URI;
  if (uri)
    return container(EKS_AGENT.test(uri) ? "EKS Pod Identity" : "the container credential endpoint", env);
  if (env.AWS_WEB_IDENTITY_TOKEN_FILE && env.AWS_ROLE_ARN) return webIdentity(env.AWS_ROLE_ARN, region, env);
  const isDeveloper = env.AWS_ACCESS_KEY_ID !== undefined || env.AWS_PROFILE !== undefined;
  if (!isContainer) {
    log(
      "warn",
      "identity.personal",
      "not in a container: using the AWS profile or keys of whoever started this",
    );
    return {
      title: "a developer's profile or keys",
      resolve: () => fromNodeProviderChain({ clientConfig: { region } })().catch(fail),
    };
  }
  if (isDeveloper)
    log("warn", "identity.ignored", "AWS_ACCESS_KEY_ID and AWS_PROFILE are ignored in a container");
  return { title: "the EC2 instance role", resolve: () => instanceMetadata(env) };
}

export function inContainer(env: Env): boolean {
  const orchestrated = env.ECS_CONTAINER_METADATA_URI_V4 ?? env.KUBERNETES_SERVICE_HOST;
  return (
    orchestrated !== undefined ||
    process.pid === 1 ||
    existsSync("/.dockerenv") ||
    existsSync("/run/.containerenv")
  );
}

function container(title: string, env: Env): IdentitySource {
  // Retries are ours: the SDK's own wait a fixed second and can't be aborted.
  const resolve = async () => fromHttp({ timeout: TIMEOUT_MS, maxRetries: 0, ...containerOptions(env) })();
  return { title, resolve: () => resolve().catch((error) => failContainer(error, title)) };
}

function containerOptions(env: Env): Parameters<typeof fromHttp>[0] {
  const relative = env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
  const full = env.AWS_CONTAINER_CREDENTIALS_FULL_URI;
  // It prints to the console where there is nobody to tell; whatever it says is said by us.
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const tokenFile = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
  const token = env.AWS_CONTAINER_AUTHORIZATION_TOKEN;
  return {
    logger,
    ...(relative && { awsContainerCredentialsRelativeUri: relative }),
    ...(full && !relative && { awsContainerCredentialsFullUri: full }),
    ...(tokenFile && { awsContainerAuthorizationTokenFile: tokenFile }),
    ...(token && !tokenFile && { awsContainerAuthorizationToken: token }),
  };
}

/** The SDK wraps every fault of the endpoint in one class, so its words are all there is to tell them apart. */
function failContainer(error: unknown, title: string): never {
  const message = error instanceof Error ? error.message : "";
  const status = /^Server responded with status: (\d+)/.exec(message)?.[1];
  if (/certificate|self.signed/i.test(message))
    throw networkFault(Object.assign(new Error(), { code: "UNTRUSTED_CERT" }), title);
  if (message.startsWith("URL not accepted") || errorName(error) === "ERR_INVALID_URL") {
    throw missing(
      "AWS_CONTAINER_CREDENTIALS_FULL_URI is not an address that may hand out credentials",
      error,
    );
  }
  if (errorName(error) === "ENOENT" || errorName(error) === "EACCES") {
    throw missing(
      `uid ${process.getuid?.()} can't read the file named by AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`,
      error,
    );
  }
  if (status?.startsWith("4") && status !== "429") {
    throw new SallyportError(
      "IDENTITY_REFUSED",
      `${title}: the credential endpoint refused (HTTP ${status})`,
      {
        hint: "Check that the task or pod has a role, and that its authorization token is the platform's.",
        cause: error,
      },
    );
  }
  throw new TransientError(`the credential endpoint: ${status ? `HTTP ${status}` : "no usable answer"}`, {
    cause: error,
  });
}

function webIdentity(roleArn: string, region: string, env: Env): IdentitySource {
  const clientConfig = { region, maxAttempts: 1, ...endpointFor("STS", env) };
  const options = { clientConfig, roleArn, webIdentityTokenFile: env.AWS_WEB_IDENTITY_TOKEN_FILE as string };
  return {
    title: `web identity as ${roleArn}`,
    resolve: () =>
      fromTokenFile({ ...options, roleSessionName: env.AWS_ROLE_SESSION_NAME ?? "sallyport" })().catch(fail),
  };
}

async function instanceMetadata(env: Env): Promise<AwsCredentialIdentity> {
  if (env.AWS_EC2_METADATA_DISABLED === "true")
    throw missing("no ECS, EKS or web identity variables, and EC2 metadata is disabled");
  try {
    return await fromInstanceMetadata({ timeout: TIMEOUT_MS, maxRetries: 1 })();
  } catch (error) {
    const { statusCode } = error as { statusCode?: number };
    if (statusCode !== undefined && statusCode >= 500)
      throw new TransientError(`EC2 metadata: HTTP ${statusCode}`, { cause: error });
    if (statusCode === 404) throw missing("this EC2 instance has no role attached", error);
    throw missing("no ECS, EKS or web identity variables, and no EC2 metadata service answers", error);
  }
}

function fail(error: unknown): never {
  if (isNetworkFault(error)) throw networkFault(error, "AWS STS");
  if (isTransientFault(error)) throw new TransientError(errorName(error), { cause: error });
  if (isIdentityFault(error) || errorName(error) === "AccessDenied") {
    throw new SallyportError("IDENTITY_REFUSED", `AWS refused the login (${errorName(error)})`, {
      hint: "Check the role's trust policy, the token's age, and this machine's clock.",
      cause: error,
    });
  }
  throw missing(`no AWS credentials (${errorName(error)})`, error);
}

function missing(message: string, cause?: unknown): SallyportError {
  return new SallyportError("IDENTITY_MISSING", message, {
    hint: "Give the ECS task a task role, the pod an identity, or the instance a role (and a metadata hop limit of 2).",
    cause,
  });
}
