/** Connections to MariaDB and MySQL: what opens, what refuses, what passes, and what a certificate has to be. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { inspect } from "node:util";
import { openMysql } from "../../entrypoint/database/mysql.ts";
import type { Session } from "../../entrypoint/database/session.ts";
import { parseTarget, type Target } from "../../entrypoint/database/target.ts";
import { SallyportError } from "../../entrypoint/errors.ts";
import { TransientError } from "../../entrypoint/retry.ts";
import { CERTIFICATE } from "../fakes/certificate.ts";
import { makeFolder } from "../folder.ts";
import { type MariadbServer, noMariadb, query, startMariadb } from "../servers/mariadb.ts";
import { openTunnel } from "../servers/tunnel.ts";

const DIRECTORY = import.meta.dirname;

test("an app without the driver is told what to install", async () => {
  await assert.rejects(openMysql(makeFolder()), (error) => {
    assert.ok(error instanceof SallyportError);
    assert.equal(error.code, "DRIVER_MISSING");
    assert.match(error.hint ?? "", /npm install mysql2/);
    return true;
  });
});

describe("mysql", { skip: noMariadb }, () => {
  let server: MariadbServer;
  let target: Target;
  before(async () => {
    server = await startMariadb();
    target = parseTarget({ url: "URL" }, { readText: () => server.url, directory: DIRECTORY });
  });
  after(() => server?.close());

  const open = async (change: Partial<Target> = {}, signal = AbortSignal.timeout(20_000)) =>
    (await openMysql(DIRECTORY))({ ...target, ...change }, signal);

  const withSession = (work: (session: Session) => Promise<void>) => async () => {
    const session = await open();
    try {
      await work(session);
    } finally {
      await session.close();
    }
  };

  test("a database that is not there is refused", async () => {
    await assert.rejects(open({ name: "nowhere" }), {
      code: "DATABASE_REFUSED",
      message: /ER_BAD_DB_ERROR/,
    });
  });

  test("a server that falls silent after the login is not waited for beyond the signal", async () => {
    await using tunnel = await openTunnel(target.port);
    tunnel.silence("wait_timeout");
    const signal = AbortSignal.timeout(300);
    await assert.rejects(open({ host: "127.0.0.1", port: tunnel.port }, signal), { name: "TimeoutError" });
  });

  test("a server that is not up yet, or is full, may be asked again", async () => {
    await assert.rejects(open({ port: 1 }), TransientError);
    await query(server.url, "set global max_connections = 10");
    const sessions: Session[] = [];
    const fault = await (async () => {
      while (sessions.length < 20) sessions.push(await open());
    })().catch((error) => error);
    await sessions[0]?.run("set global max_connections = 200");
    for (const { close } of sessions) await close();
    assert.ok(fault instanceof TransientError, inspect(fault));
    assert.match(fault.message, /ER_CON_COUNT_ERROR/);
  });

  test("an abort ends the wait for a server that does not answer", async () => {
    const stop = new AbortController();
    const silent = createServer(() => stop.abort(new Error("stop"))).listen(0, "127.0.0.1");
    await once(silent, "listening");
    await assert.rejects(open({ port: (silent.address() as AddressInfo).port }, stop.signal), /stop/);
    silent.close();
    await assert.rejects(open({}, stop.signal), /stop/);
  });

  test("with its authority's certificate the connection is encrypted", async () => {
    const session = await open({ host: "localhost", tls: { ca: CERTIFICATE } });
    const [row] = await session.query("show session status like 'ssl_version'");
    assert.match(String(row?.Value), /^TLSv1/);
    await session.close();
  });

  test("a certificate of nobody's, and one for another host, are refused", async () => {
    for (const change of [
      { host: "localhost", tls: true },
      { tls: { ca: CERTIFICATE }, host: "127.0.0.1" },
    ]) {
      const fault = await open(change).then(
        () => assert.fail("it was accepted"),
        (error) => error,
      );
      assert.equal(fault.code, "DATABASE_UNREACHABLE", inspect(fault));
      assert.match(fault.message, /certificate that can't be trusted/);
    }
  });

  test(
    "a statement that is cancelled ends, and the connection goes on",
    withSession(async (session) => {
      const statement = session
        .run("select benchmark(1000000000000, sha2('x', 512)); select nowhere")
        .catch((it) => it);
      for (;;) {
        const [row] = await query(
          server.url,
          "select count(*) as n from information_schema.processlist where info like 'select benchmark%'",
        );
        if (Number(row?.n) > 0) break;
      }
      await session.cancel();
      assert.ok(await statement);
      assert.deepEqual(await session.query("select 1 as one"), [{ one: 1 }]);
      assert.equal(session.lost.aborted, false);
    }),
  );

  test(
    "times come as they stand in the database, and large numbers whole",
    withSession(async (session) => {
      const rows = await session.query(
        "select ? as text, timestamp'2026-01-31 12:00:00.5' as at, ? as big, ? as none",
        ["it's", "9007199254740993", undefined],
      );
      assert.deepEqual(rows, [
        { text: "it's", at: "2026-01-31 12:00:00.5", big: "9007199254740993", none: null },
      ]);
      assert.deepEqual(await session.query("select 9007199254740993 as big"), [{ big: "9007199254740993" }]);
    }),
  );

  test(
    "an error that would quote a row does not",
    withSession(async (session) => {
      await session.run("create temporary table secrets (name varchar(99) primary key, at date, n tinyint)");
      const canary = "can'ary' for key 'x";
      for (const sql of [
        "insert into secrets (name) values (?), (?)",
        "insert into secrets (at, name) values (?, ?)",
        "insert into secrets (n, name) values (?, ?)",
      ]) {
        const fault = await session.query(sql, [canary, canary]).catch((error) => error);
        assert.match(fault.code, /^ER_/);
        assert.doesNotMatch(inspect(fault, { depth: 9 }), /ary/);
      }
    }),
  );

  test("closing in mid-statement does not wait for the statement", async () => {
    const session = await open();
    const statement = session.run("select sleep(1000)").catch((error) => error);
    await session.close();
    assert.ok(
      (await Promise.race([statement, session.query("select 1").catch((error) => error)])) instanceof Error,
    );
  });
});
