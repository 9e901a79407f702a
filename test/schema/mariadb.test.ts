import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { TableExpectation } from "../../entrypoint/schema/expectations.ts";
import { describeSchema, type Expectations } from "../../entrypoint/schema/schema.ts";
import { type MariadbServer, noMariadb, query, startMariadb } from "../servers/mariadb.ts";
import { type Asking, ask, assertMends, countQueries, mends, tell, throughFile } from "./ask.ts";

const SHOP = `
create table orders (
  id bigint unsigned primary key auto_increment,
  note varchar(20) collate utf8mb4_bin default 'it''s' comment 'a \\\\ note',
  at datetime(6) not null default current_timestamp(6) on update current_timestamp(6),
  status enum('new', 'it''s paid') not null default 'new',
  extra json,
  gross int generated always as (id * 2) virtual
) charset utf8mb4;
create index orders_at_idx on orders (at);
create view totals as select status, count(*) as n from orders group by status;
create table sallyport_migrations (id int); create table knex_migrations (id int);`;

suite("MariaDB", { skip: noMariadb }, () => {
  let server: MariadbServer;
  before(async () => {
    server = await startMariadb();
  });
  after(() => server?.close());

  /** Not in a database whose name begins with `test_`: MariaDB lets everybody do everything there. */
  let databases = 0;
  async function openWith(script: string): Promise<Asking & { url: string; name: string }> {
    const name = `schema_${process.pid}_${++databases}`;
    await query(server.url, `create database ${name}`);
    const url = Object.assign(new URL(server.url), { pathname: `/${name}` }).href;
    const asking = await ask(url);
    await asking.session.run(script);
    return {
      ...asking,
      url,
      name,
      async [Symbol.asyncDispose]() {
        await asking.session.close();
        await query(server.url, `drop database ${name}`);
      },
    };
  }

  /** Somebody who may see one table, and whatever is granted besides. */
  let users = 0;
  async function openAsStranger(url: string, seen: string): Promise<Asking & { user: string }> {
    const user = `app_${process.pid}_${++users}`;
    const [own] = await query(url, "select substring_index(current_user(), '@', -1) as host");
    const account = `'${user}'@'${own?.host}'`;
    await query(url, `create user ${account} identified by 'stranger'`);
    await query(url, `grant select on ${seen} to ${account}`);
    const asking = await ask(Object.assign(new URL(url), { username: user, password: "stranger" }).href);
    return {
      ...asking,
      user: account,
      async [Symbol.asyncDispose]() {
        await asking.session.close();
        await query(url, `drop user ${account}`);
      },
    };
  }

  test("everything that is different is told at once, each with the SQL that mends it", async () => {
    await using asking = await openWith(SHOP);
    const problems = await asking.check({
      extensions: ["pgcrypto"],
      enums: { status: ["new"] },
      tables: {
        orders: {
          columns: {
            ID: "bigint",
            note: { type: "varchar(40)", nullable: false },
            at: { type: "datetime(6)", nullable: true, severity: "warn" },
            status: "enum('new', 'sent')",
            more: { type: "int", nullable: false },
            gross: "bigint",
            extra: "json",
          },
          indexes: ["primary", "orders_note_idx"],
          privileges: ["select", "delete"],
        },
        totals: { columns: { status: "varchar(10)" } },
        customers: { columns: { id: { type: "int", nullable: false } }, severity: "warn" },
      },
    });
    const [user] = await asking.session.query("select current_user() as user");
    const account = String(user?.user).replace(/^(.*)@(.*)$/, "'$1'@'$2'");
    assert.deepEqual(tell(problems), [
      "pgcrypto: this database has no extensions",
      "status: this database has no enums with names",
      "orders.ID: the type is bigint(20) unsigned, and bigint is expected",
      "orders.note: the type is varchar(20), and varchar(40) is expected",
      "orders.note: NULL is possible, and not expected",
      "(warning) orders.at: NULL is refused, and expected",
      "orders.status: the type is enum('new','it''s paid'), and enum('new', 'sent') is expected",
      "orders.more: the column does not exist",
      "orders.gross: the type is int(11), and bigint is expected",
      "orders: the index orders_note_idx does not exist",
      "totals.status: the type is enum('new','it''s paid'), and varchar(10) is expected",
      `(warning) customers: the table does not exist, or ${account} may do nothing with it`,
    ]);
    const note =
      "ALTER TABLE `orders` MODIFY COLUMN `note` varchar(40) NOT NULL DEFAULT 'it''s' COMMENT 'a \\\\ note' COLLATE utf8mb4_bin";
    assert.deepEqual(mends(problems), [
      "-- MySQL has no such extensions: take it out of the expectations",
      "-- expect a column's type enum('…') in the place of status",
      "ALTER TABLE `orders` MODIFY COLUMN `id` bigint NOT NULL AUTO_INCREMENT",
      note,
      note,
      "ALTER TABLE `orders` MODIFY COLUMN `at` datetime(6) NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6)",
      "ALTER TABLE `orders` MODIFY COLUMN `status` enum('new','it''s paid','sent') NOT NULL DEFAULT 'new' COLLATE utf8mb4_general_ci",
      "ALTER TABLE `orders` ADD COLUMN `more` int NOT NULL",
      "ALTER TABLE `orders` MODIFY COLUMN `gross` bigint GENERATED ALWAYS AS (…)",
      "CREATE INDEX `orders_note_idx` ON `orders` (…)",
      "CREATE OR REPLACE VIEW `totals` AS SELECT …",
      "CREATE TABLE `customers` (`id` int NOT NULL)",
    ]);
  });

  test("each mend that is whole mends, and loses nothing else of the column", async () => {
    await using asking = await openWith(SHOP);
    await assertMends(asking, {
      tables: {
        orders: {
          columns: {
            id: "int",
            note: { type: "varchar(40)", nullable: false },
            at: { type: "datetime(6)", nullable: true },
            status: { type: "enum('sent')", nullable: true },
            'we`ird "more': { type: "int", nullable: false },
          },
        },
        "se`lect": { columns: { from: "json" } },
      },
    });
    const [{ "Create Table": declared } = {}] = await asking.session.query("show create table orders");
    for (const line of [
      "`id` int(11) NOT NULL AUTO_INCREMENT,",
      "`note` varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'it''s' COMMENT 'a \\\\ note',",
      "`at` datetime(6) DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),",
      "`status` enum('new','it''s paid','sent') DEFAULT 'new',",
    ])
      assert.ok(String(declared).includes(line), `${declared}\nlacks ${line}`);
  });

  test("a login is told each privilege that it lacks and what grants it, though it may read no row", async () => {
    await using owner = await openWith(SHOP);
    await using stranger = await openAsStranger(owner.url, `${owner.name}.totals`);
    await owner.session.run(`grant insert on ${owner.name}.orders to ${stranger.user}`);
    const expected: Expectations = {
      tables: {
        orders: {
          columns: { note: "varchar(20)" },
          indexes: ["orders_at_idx"],
          privileges: ["select", "insert", "update", "delete"],
        },
        totals: { privileges: ["select"] },
      },
    };
    const problems = await stranger.check(expected);
    assert.deepEqual(tell(problems), [
      `orders: ${stranger.user} may not select`,
      `orders: ${stranger.user} may not update`,
      `orders: ${stranger.user} may not delete`,
    ]);
    assert.deepEqual(mends(problems)[2], `GRANT DELETE ON \`${owner.name}\`.\`orders\` TO ${stranger.user}`);
    await assertMends(stranger, expected, owner.session);
  });

  test("privileges count on whatever level they were given: everywhere, on a database, by a pattern, by a role", async () => {
    await using owner = await openWith(`${SHOP} insert into orders () values ()`);
    const { name, url, session } = owner;
    const expected: Expectations = {
      tables: { orders: { privileges: ["select", "insert", "update", "delete"] } },
    };
    const role = `shop_role_${process.pid}`;
    await session.run(
      `create role ${role}; grant select, insert, update, delete on ${name}.orders to ${role}`,
    );
    const all = "grant select, insert, update, delete on";
    for (const grant of [
      (user: string) => `${all} *.* to ${user}`,
      (user: string) => `${all} \`${name.replaceAll("_", "\\_")}\`.* to ${user}`,
      (user: string) => `${all} \`${name.slice(0, -1)}%\`.* to ${user}`,
      (user: string) => `grant ${role} to ${user}; set default role ${role} for ${user}`,
    ]) {
      await using stranger = await openAsStranger(url, `${name}.totals`);
      await session.run(grant(stranger.user));
      await using again = await ask(
        Object.assign(new URL(url), { username: stranger.user.split("'")[1], password: "stranger" }).href,
      );
      assert.deepEqual(tell(await again.check(expected)), [], grant("…"));
    }
    assert.deepEqual(await session.query("select count(*) as n from orders"), [{ n: 1 }]);
    await session.run(`drop role ${role}`);
  });

  test("what is written of a database is fulfilled by it, is the same each time, and leaves out records of migrators", async () => {
    await using asking = await openWith(SHOP);
    const all = ["select", "insert", "update", "delete"];
    const written = await describeSchema(asking.session, "mysql");
    assert.equal(JSON.stringify(await describeSchema(asking.session, "mysql")), JSON.stringify(written));
    assert.deepEqual(written, {
      tables: {
        orders: {
          columns: {
            id: { type: "bigint(20) unsigned", nullable: false },
            note: "varchar(20)",
            at: { type: "datetime(6)", nullable: false },
            status: { type: "enum('new','it''s paid')", nullable: false },
            extra: "longtext",
            gross: "int(11)",
          },
          indexes: ["PRIMARY", "orders_at_idx"],
          privileges: all,
        },
        totals: { columns: { status: "enum('new','it''s paid')", n: "bigint(21)" }, privileges: all },
      },
    });
    assert.deepEqual(tell(await asking.check(await throughFile(written))), []);
  });

  test("names that need quotes go there and back, and other databases' tables are found by their full name", async () => {
    await using other = await openWith("create table `a.b` (`x.y` int)");
    await using asking = await openWith(
      'create table `Order "Lines"` (`we``ird` int, `Größe` text, `select` int); create index `Ix \'1\'` on `Order "Lines"` (`we``ird`)',
    );
    const written = await describeSchema(asking.session, "mysql");
    assert.deepEqual(Object.keys(written.tables ?? {}), ['Order "Lines"']);
    assert.deepEqual(tell(await asking.check(await throughFile(written))), []);
    const expected = { tables: { [`${other.name}."a.b"`]: { columns: { "X.Y": "int" } } } };
    assert.deepEqual(tell(await asking.check(expected)), []);
  });

  test("300 tables are as many queries as one", async () => {
    const names = Array.from({ length: 300 }, (_, n) => `t${n}`);
    await using asking = await openWith(
      names.map((name) => `create table ${name} (id int primary key)`).join(";"),
    );
    const table: TableExpectation = { columns: { id: "int" }, indexes: ["PRIMARY"], privileges: ["delete"] };
    const tables = Object.fromEntries(names.map((name) => [name, table]));
    const queries = await countQueries(asking, async () => {
      assert.deepEqual(tell(await asking.check({ tables })), []);
    });
    assert.equal(queries, 4);
  });
});
