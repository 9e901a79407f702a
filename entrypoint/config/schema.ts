/** The one definition of the config file's shape: checks it at run time and gives editors their JSON Schema. */
import * as z from "zod/mini";
import { DURATION_FORM, LONGEST_TIMER_MS, parseDuration } from "../duration.ts";
import type { StandardSchema } from "./types.ts";

const text = z.string().check(z.minLength(1, "a text that is not empty"));
const duration = z.string().check(
  z.regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, DURATION_FORM),
  z.refine((text) => (parseDuration(text) ?? 0) <= LONGEST_TIMER_MS, "at most 24 days"),
);
const name = z
  .string()
  .check(z.regex(/^[A-Za-z][A-Za-z0-9_]*$/, "letters, digits and _, beginning with a letter"));

const standardSchema = z.custom<StandardSchema>(
  (value) => (value as StandardSchema | undefined)?.["~standard"]?.version === 1,
  "a Standard Schema validator",
);

const typeName = z.enum([
  "string",
  "url",
  "integer",
  "number",
  "boolean",
  "port",
  "duration",
  "json",
  "bytes",
]);
const words = z.array(text).check(z.minLength(1, "at least one word"));

const location = z.strictObject({
  id: text,
  key: z.optional(text),
  stage: z.optional(text),
  version: z.optional(text),
});

const declaration = z.strictObject({
  from: z.union([text, location]),
  type: z.optional(z.union([typeName, words, standardSchema])),
  secret: z.optional(z.boolean()),
  optional: z.optional(z.boolean()),
  empty: z.optional(z.boolean()),
  when: z.optional(z.union([text, z.record(text, text)])),
  stages: z.optional(words),
});

const source = z.discriminatedUnion("provider", [
  z.strictObject({ provider: z.literal("aws-secrets-manager"), prefix: z.optional(text) }),
  z.strictObject({ provider: z.literal("infisical"), environment: text }),
  z.strictObject({ provider: z.literal("files"), directory: text }),
]);

const connection = {
  url: z.optional(name),
  host: z.optional(name),
  port: z.optional(name),
  user: z.optional(name),
  password: z.optional(name),
  name: z.optional(name),
  tls: z.optional(name),
};

const guardMode = z.enum(["refuse", "warn", "off"]);

const mode = z.enum(["run", "wait", "check", "off"]);

const database = z.strictObject({
  ...connection,
  dialect: z.optional(z.enum(["postgres", "mysql"])),
  caFile: z.optional(text),
  migrations: z.optional(z.union([text, z.strictObject({ module: text })])),
  migrate: z.optional(
    z.union([
      mode,
      z.strictObject({
        ...connection,
        mode: z.optional(mode),
        lockTimeout: z.optional(duration),
        timeout: z.optional(duration),
        outOfOrder: z.optional(z.enum(["error", "allow"])),
        baseline: z.optional(text),
      }),
    ]),
  ),
  expect: z.optional(text),
});

export const configSchema: z.ZodMiniType = z.strictObject({
  $schema: z.optional(z.string()),
  app: z.optional(
    z.union([text, z.strictObject({ wrap: text, ready: z.optional(z.enum(["listening", "loaded"])) })]),
  ),
  secrets: z.record(text, source),
  settings: z.record(name, z.union([text, declaration])),
  database: z.optional(database),
  warm: z.optional(text),
  guard: z.optional(
    z.union([guardMode, z.strictObject({ mode: z.optional(guardMode), allow: z.optional(z.array(text)) })]),
  ),
  harden: z.optional(z.boolean()),
  admin: z.optional(
    z.strictObject({ socket: z.optional(text), listen: z.optional(text), token: z.optional(name) }),
  ),
  bootTimeout: z.optional(duration),
  shutdownTimeout: z.optional(duration),
  drainDelay: z.optional(duration),
  refreshTimeout: z.optional(duration),
  poolDrainTimeout: z.optional(duration),
});

/** JSON Schema (draft 2020-12) for editors. A validator can't be written in JSON, so there it matches nothing. */
export function jsonSchema(): object {
  return z.toJSONSchema(configSchema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema === (standardSchema as z.core.$ZodType)) jsonSchema.not = {};
    },
  });
}
