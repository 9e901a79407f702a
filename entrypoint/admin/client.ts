/** Asks a running container over its admin socket; what `docker exec` and ECS Exec call. */
import { request } from "node:http";
import { CODES, errorName } from "../errors.ts";
import { type Action, describeAnswer } from "./report.ts";

export interface AskOptions {
  readonly json: boolean;
  print(text: string): void;
}

/** @returns 0 for an answer below 300, else 1 */
export async function askContainer(
  sockets: readonly string[],
  action: Action,
  { json, print }: AskOptions,
): Promise<number> {
  const faults: string[] = [];
  for (const socket of sockets) {
    const answer = await ask(socket, action);
    if (!("fault" in answer)) {
      print(json ? answer.body.trim() : describeAnswer(action, answer.body));
      return answer.status < 300 ? 0 : 1;
    }
    faults.push(`${socket} (${answer.fault})`);
  }
  const error = {
    code: "CONTAINER_UNREACHABLE",
    message: `${CODES.CONTAINER_UNREACHABLE.meaning}: ${faults.join(", ")}`,
    problems: [],
  };
  print(
    json
      ? JSON.stringify({ error })
      : `${error.message}\nAsk from the working directory in which it was started, as the same user.`,
  );
  return CODES.CONTAINER_UNREACHABLE.exit;
}

type Reply = { readonly status: number; readonly body: string } | { readonly fault: string };

/** A refresh has a time limit of its own, which the container knows. */
const PATIENCE_MS: Readonly<Record<Action, number>> = { health: 30_000, status: 30_000, refresh: 0 };

function ask(socketPath: string, action: Action): Promise<Reply> {
  return new Promise((resolve) => {
    const method = action === "refresh" ? "POST" : "GET";
    const asked = { socketPath, path: `/secrets/${action}`, method, timeout: PATIENCE_MS[action] };
    const outgoing = request(asked, async (incoming) => {
      try {
        const body = (await incoming.setEncoding("utf8").toArray()).join("");
        resolve({ status: incoming.statusCode ?? 0, body });
      } catch (error) {
        resolve({ fault: errorName(error) });
      }
    });
    outgoing.on("timeout", () =>
      outgoing.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })),
    );
    outgoing.on("error", (error) => resolve({ fault: errorName(error) }));
    outgoing.end();
  });
}
