/** The `admin` part of the config. */
import { resolve } from "node:path";
import type { Problem } from "../errors.ts";
import { suggestion } from "../suggestion.ts";
import type { SettingSpec } from "./settings.ts";
import type { Config } from "./types.ts";

export interface AdminConfig {
  readonly socket: string | undefined;
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  /** The name of the setting that holds the bearer token. */
  readonly token: string | undefined;
}

export function parseAdmin(
  admin: Config["admin"],
  directory: string,
  settings: readonly SettingSpec[],
  problems: Problem[],
): AdminConfig {
  const { socket, listen, token } = admin ?? {};
  const address = listen === undefined ? undefined : parseListen(listen);
  if (listen !== undefined && !address) {
    problems.push({
      subject: "admin.listen",
      message: "must be host:port, for example 127.0.0.1:9180 or [::1]:9180",
    });
  }
  if (address && token === undefined && !isLoopback(address.host)) {
    problems.push({
      subject: "admin.token",
      message: `is required: admin.listen ${listen} can be reached from other machines; name the setting that holds the token`,
    });
  }
  if (token !== undefined) problems.push(...tokenProblems(token, settings));
  return { socket: socket === undefined ? undefined : resolve(directory, socket), listen: address, token };
}

function parseListen(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function tokenProblems(token: string, settings: readonly SettingSpec[]): Problem[] {
  const at = (message: string): Problem[] => [{ subject: "admin.token", message }];
  const setting = settings.find(({ name }) => name === token);
  if (!setting) {
    const names = settings.map(({ name }) => name);
    return at(`names the setting '${token}', which is not declared${suggestion(token, names)}`);
  }
  const isSecretText = setting.type === "string" && setting.secret && !setting.ring && !setting.empty;
  if (!isSecretText || setting.optional || setting.gates.length > 0) {
    return at(`'${token}' must be a required secret string: no type, optional, empty, when or stages`);
  }
  return [];
}
