// An app written for Sallyport. It never reads process.env: what it needs to know comes in as `settings`.
import { once } from "node:events";
import { createServer } from "node:http";

/**
 * @param {import("sallyport").SettingsOf<typeof import("./sallyport.config.json")>} settings always current, and prints without its values
 * @param {import("sallyport").Context} context
 */
export async function start(settings, context) {
  let answered = 0;
  const server = createServer((request, response) => {
    answered += 1;
    const found = request.url === "/";
    response.writeHead(found ? 200 : 404, { "content-type": "application/json" });
    response.end(`${JSON.stringify(found ? describe(settings) : { error: "not found" }, null, 2)}\n`);
  });

  context.health("listening", () => server.listening);
  context.onShutdown(function farewell() {
    context.log.info(`answered ${answered} requests`, { answered });
  });

  // An address in use is an error of the start, not one that nobody catches later.
  await once(server.listen(settings.PORT), "listening");
  context.log.info(`listening on http://localhost:${settings.PORT}/`, { port: settings.PORT });
  return server; // closed by Sallyport, after the last request has been answered
}

/** Read at each request. Of a secret, only that it is there. */
function describe(settings) {
  return {
    LOG_LEVEL: settings.LOG_LEVEL,
    PORT: settings.PORT,
    PAYMENTS: settings.PAYMENTS,
    database: {
      host: new URL(settings.DATABASE_URL).host,
      passwordLength: new URL(settings.DATABASE_URL).password.length,
    },
    stripe: settings.STRIPE_SECRET_KEY ? "has its key" : "is off",
    sentry: settings.SENTRY_DSN ? "has its address" : "is not set up",
  };
}
