// An account's back end that publishes a purchase straight to NATS, without unionlink's HTTP routes.
import { readFile } from "node:fs/promises";
import { connect } from "@nats-io/transport-node";
import { jetstream } from "@nats-io/jetstream";

// What `unionlink up` made at its start; elsewhere, what your operations gave you.
const data = process.env.UNIONLINK_DATA ?? "./unionlink-data";
const appid = process.env.APPID;
const credentials = JSON.parse(await readFile(`${data}/credentials.json`, "utf8"));
if (!credentials.nats_users?.[appid]) throw new Error(`there is no login for the account ${appid}: set APPID`);

const connection = await connect({
  servers: new URL(credentials.nats_url).host,
  user: appid,
  pass: credentials.nats_users[appid],
  inboxPrefix: `_INBOX.${appid}`, // the only place where the login may listen
  maxReconnectAttempts: -1,
});

const purchase = {
  event_id: "node-A-17-0", // the order and its revision: the same however often it is sent
  occurred_at: "2026-11-22T10:00:00Z", // of the payment
  appid,
  openid: "oExampleOfABuyer0000000000N",
  order_id: "node-A-17",
  kind: "purchase",
  amount: 12345, // fen
  currency: "CNY",
  revision: 0,
};

// Until the acknowledgement is there the purchase is not stored. Sending it again is harmless.
for (let pause = 200; ; pause = Math.min(2 * pause, 10_000)) {
  try {
    const ack = await jetstream(connection).publish(`unionlink.v1.purchase.${appid}`, JSON.stringify(purchase), {
      msgID: `${appid}:${purchase.event_id}`,
      timeout: 10_000,
    });
    console.log(ack.duplicate ? "stored before" : "stored", "as message", ack.seq, "of", ack.stream);
    break;
  } catch (error) {
    if (error.name === "PermissionViolationError" || error.cause?.name === "PermissionViolationError") throw error; // no retry helps
    console.error("not stored yet, trying again:", error.message);
    await new Promise((done) => setTimeout(done, pause));
  }
}
await connection.drain();
