/** What has to hold for the pools of every library that is known, on a real server with two users who may do the same. */
import { after, before, describe } from "node:test";
import { refusalClaims } from "./refusal-claims.ts";
import { rotationClaims } from "./rotation-claims.ts";
import { type Stage, SUBJECTS } from "./subjects.ts";

for (const subject of SUBJECTS) {
  describe(subject.name, { skip: subject.skip }, () => {
    let stage: Stage;
    before(async () => {
      stage = await subject.start();
    });
    after(() => stage?.[Symbol.asyncDispose]());

    rotationClaims(subject, () => stage);
    refusalClaims(subject, () => stage);
  });
}
