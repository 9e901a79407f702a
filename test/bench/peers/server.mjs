// A server as small as they come: whatever a wrapper costs a request would show.
import { createServer } from "node:http";

const server = createServer((_request, response) => response.end("hello"));
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
