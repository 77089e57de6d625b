// Drives an unmodified npm splunk-logging against the relay and prints what each callback said, as one JSON line.
// Arguments: the relay's base URL, the token.
const { Logger } = require("splunk-logging");

const print = (report) => process.stdout.write(`${JSON.stringify(report)}\n`);
const [url, token] = process.argv.slice(2);
const logger = new Logger({ token, url, maxBatchCount: 1 });
logger.error = (error) => {
  print({ error: String(error) });
  process.exit(1);
};

const replies = [];
const total = 10;
for (let n = 0; n < total; n++) {
  const context = {
    message: { text: `splunk-logging ${n}`, quotes: '"\\\n\u00e9' },
    severity: "warn",
    metadata: {
      source: "chicken coop",
      sourcetype: "httpevent",
      index: "main",
      host: "farm.local",
    },
  };
  logger.send(context, (error, _response, body) => {
    replies.push(error ? { error: String(error) } : body);
    if (replies.length === total) print({ replies });
  });
}
