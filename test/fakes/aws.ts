/** AWS Secrets Manager, and the endpoint that hands out a container's credentials. */
import { randomUUID } from "node:crypto";
import { type Fake, type Recorded, type Reply, startFake } from "./server.ts";

export interface FakeAwsOptions {
  readonly secrets?: Readonly<Record<string, string | Uint8Array>>;
  /** Names of secrets that the role may not read. */
  readonly denied?: readonly string[];
  /** False: the role lacks secretsmanager:BatchGetSecretValue. */
  readonly mayBatch?: boolean;
  /** Secrets on one page of a batch. */
  readonly pageSize?: number;
  /** What the credential endpoint wants in its Authorization header. */
  readonly token?: string;
}

export interface FakeAws extends Fake {
  readonly credentialsUrl: string;
  /** What the platform and the operator put into a container's environment. Nothing in it is a secret. */
  readonly env: Record<string, string>;
  /** A new version becomes current, the one before it previous. */
  put(name: string, value: string | Uint8Array): void;
}

interface Version {
  readonly id: string;
  readonly value: string | Uint8Array;
}

const REGION = "eu-west-1";
const ACCESS_KEY = "ASIAFAKEFAKEFAKE0001";

export async function startFakeAws(options: FakeAwsOptions = {}): Promise<FakeAws> {
  const versions = new Map<string, Version[]>();
  const put: FakeAws["put"] = (name, value) => {
    versions.set(name, [{ id: randomUUID(), value }, ...(versions.get(name) ?? [])]);
  };
  for (const [name, value] of Object.entries(options.secrets ?? {})) put(name, value);

  const fake = await startFake({
    name: ({ url, headers }) =>
      String(headers["x-amz-target"] ?? url.pathname).replace("secretsmanager.", ""),
    throttled: failure("ThrottlingException"),
    answer: (request) =>
      request.url.pathname === "/credentials"
        ? credentials(request, options)
        : api(request, versions, options),
  });
  const credentialsUrl = `${fake.url}/credentials`;
  const env = {
    REGION,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: fake.url,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: credentialsUrl,
  };
  return { ...fake, put, credentialsUrl, env };
}

function credentials({ headers }: Recorded, { token }: FakeAwsOptions): Reply {
  if (token !== undefined && headers.authorization !== token)
    return { status: 403, body: { Code: "Denied", Message: "no" } };
  const Expiration = new Date(Date.now() + 3_600_000).toISOString();
  return {
    status: 200,
    body: { AccessKeyId: ACCESS_KEY, SecretAccessKey: randomUUID(), Token: randomUUID(), Expiration },
  };
}

function api(request: Recorded, versions: Map<string, Version[]>, options: FakeAwsOptions): Reply {
  if (!request.headers.authorization?.includes(`Credential=${ACCESS_KEY}/`))
    return failure("UnrecognizedClientException");
  const input = JSON.parse(request.body) as Asked;
  if (request.call === "BatchGetSecretValue") return batch(input, versions, options);
  const found = lookUp(input.SecretId ?? "", input, versions, options);
  return "code" in found ? failure(found.code) : { status: 200, body: found };
}

interface Asked {
  readonly SecretId?: string;
  readonly VersionStage?: string;
  readonly VersionId?: string;
  readonly SecretIdList?: readonly string[];
  readonly NextToken?: string;
}

function batch(
  { SecretIdList: ids = [], NextToken }: Asked,
  versions: Map<string, Version[]>,
  options: FakeAwsOptions,
): Reply {
  if (options.mayBatch === false) return failure("AccessDeniedException");
  if (ids.length > 20) return failure("InvalidParameterException");
  const start = Number(NextToken ?? 0);
  const end = start + (options.pageSize ?? 20);
  const found = ids.slice(start, end).map((id) => ({ id, result: lookUp(id, {}, versions, options) }));
  return {
    status: 200,
    body: {
      SecretValues: found.flatMap(({ result }) => ("code" in result ? [] : [result])),
      Errors: found.flatMap(({ id, result }) =>
        "code" in result ? [{ SecretId: id, ErrorCode: result.code, Message: quote(id, versions) }] : [],
      ),
      ...(end < ids.length && { NextToken: String(end) }),
    },
  };
}

function lookUp(
  id: string,
  { VersionStage, VersionId }: Asked,
  versions: Map<string, Version[]>,
  { denied = [] }: FakeAwsOptions,
): object | { code: string } {
  const name = [...versions.keys()].find(
    (it) => id === it || id === arnOf(it) || id === arnOf(it).slice(0, -7),
  );
  if (denied.includes(id)) return { code: "AccessDeniedException" };
  const held = versions.get(name ?? "") ?? [];
  const stages = ["AWSCURRENT", "AWSPREVIOUS"];
  const version = VersionId
    ? held.find((it) => it.id === VersionId)
    : held[stages.indexOf(VersionStage ?? "AWSCURRENT")];
  if (!name || !version) return { code: "ResourceNotFoundException" };
  const { value } = version;
  return {
    ARN: arnOf(name),
    Name: name,
    VersionId: version.id,
    VersionStages: [stages[held.indexOf(version)]],
    ...(typeof value === "string"
      ? { SecretString: value }
      : { SecretBinary: Buffer.from(value).toString("base64") }),
  };
}

export function arnOf(name: string): string {
  return `arn:aws:secretsmanager:${REGION}:123456789012:secret:${name}-AbCdEf`;
}

/** A vendor that quotes values in its messages: none of it may be printed. */
function quote(id: string, versions: Map<string, Version[]>): string {
  return `can't show ${versions.get(id)?.[0]?.value}`;
}

function failure(code: string): Reply {
  const status = code === "UnrecognizedClientException" ? 403 : 400;
  return { status, body: { __type: code, Message: "the vendor's own words" } };
}
