import assert from "node:assert/strict";
import { test } from "node:test";
import type { LiveColumn } from "../../entrypoint/schema/dialect.ts";
import { mysql } from "../../entrypoint/schema/mysql.ts";
import { postgres } from "../../entrypoint/schema/postgres.ts";
import { sqlite } from "../../entrypoint/schema/sqlite.ts";

const column = (type: string): LiveColumn => ({
  name: "x",
  type,
  alsoTypes: [],
  nullable: true,
  generated: false,
  rest: "",
});

const POSTGRES: [string, string][] = [
  ["int8", "bigint"],
  ["BIGINT", "bigint"],
  ["bigserial", "bigint"],
  ["serial", "integer"],
  ["varchar", "character varying(20)"],
  ["varchar(20)", "character varying(20)"],
  ["varchar( 20 )", "character varying(50)"],
  ["varchar(20)", "character varying"],
  ["timestamptz", "timestamp with time zone"],
  ["timestamptz(3)", "timestamp(3) with time zone"],
  ["timestamp  without time zone", "timestamp(6) without time zone"],
  ["timestamp", "timestamp without time zone"],
  ["bool", "boolean"],
  ["decimal(10,2)", "numeric(10,2)"],
  ["numeric", "numeric(12, 4)"],
  ["numeric(10,2)", "numeric(12,2)"],
  ["numeric(10)", "numeric(10,0)"],
  ["int4[]", "integer[]"],
  ["text[][]", "text[]"],
  ["text array", "text[]"],
  ["varchar(10)[]", "character varying(10)[]"],
  ['"Order Status"', '"Order Status"'],
  ["geometry(Point, 4326)", "geometry(Point,4326)"],
];

const NOT_POSTGRES: [string, string][] = [
  ["integer", "bigint"],
  ["varchar(20)", "character varying(10)"],
  ["varchar", "text"],
  ["timestamptz", "timestamp without time zone"],
  ["timestamp(3)", "timestamp(6) without time zone"],
  ["numeric(10,2)", "numeric(10,4)"],
  ["numeric(10,2)", "numeric(8,2)"],
  ["numeric(10,2)", "numeric"],
  ["text", "text[]"],
  ["text[]", "text"],
  ["char(2)", "character(3)"],
  ['"Status"', "status"],
  ["bit(8)", "bit(4)"],
];

const MYSQL: [string, string][] = [
  ["INT", "int(11)"],
  ["integer unsigned", "int(10) unsigned"],
  ["int(5)", "int"],
  ["boolean", "tinyint(1)"],
  ["numeric(10,2)", "decimal(10,2)"],
  ["varchar(20)", "varchar(255)"],
  ["double precision", "double"],
  ["serial", "bigint(20) unsigned"],
  ["enum('paid', 'new')", "enum('new','paid','it''s (sent), gone')"],
  ["enum('it''s (sent), gone')", "enum('new','it''s (sent), gone')"],
  ["set('a')", "set('b','a')"],
  ["datetime(6)", "datetime(6)"],
  ["year", "year(4)"],
  ["int unsigned", "int(10) unsigned zerofill"],
];

const NOT_MYSQL: [string, string][] = [
  ["int", "int(10) unsigned"],
  ["int", "bigint(20)"],
  ["enum('NEW')", "enum('new')"],
  ["enum('new')", "set('new')"],
  ["datetime(6)", "datetime"],
  ["varchar(20)", "text"],
];

for (const [dialect, fitting, others] of [
  ["postgres", POSTGRES, NOT_POSTGRES],
  ["mysql", MYSQL, NOT_MYSQL],
] as const) {
  const { fits } = { postgres, mysql }[dialect];
  test(`in ${dialect}, a type has many names and may be roomier than expected`, () => {
    for (const [expected, actual] of fitting)
      assert.ok(fits(expected, column(actual)), `${expected} ${actual}`);
  });
  test(`in ${dialect}, a type that an app would notice does not fit`, () => {
    for (const [expected, actual] of others)
      assert.ok(!fits(expected, column(actual)), `${expected} ${actual}`);
  });
}

test("in sqlite, a type is what was declared, in any case and with any blanks", () => {
  assert.ok(sqlite.fits("unsigned  big INT", column("UNSIGNED BIG INT")));
  assert.ok(sqlite.fits("varchar", column("VARCHAR(20)")));
  assert.ok(!sqlite.fits("int", column("INTEGER")));
});

test("in postgres, a column is also of the type under its domain, and of its type's bare name", () => {
  const email = { ...column("shop.email"), alsoTypes: ["character varying(200)", '"email"'] };
  for (const type of ["shop.email", "email", "varchar", "varchar(100)"])
    assert.ok(postgres.fits(type, email), type);
  for (const type of ["text", "other.email"]) assert.ok(!postgres.fits(type, email), type);
});
