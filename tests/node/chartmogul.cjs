// ChartMogul's own client, unchanged but for the base URL: prints what a call gives for a key.

const ChartMogul = require('chartmogul-node');

const config = new ChartMogul.Config(process.env.API_KEY, process.env.EDGE_URL);
config.retries = 0;
const call = { ping: () => ChartMogul.Ping.ping(config), plans: () => ChartMogul.Plan.all(config, { per_page: 2 }) };

call[process.argv[2]]().then(
  (answer) => console.log(JSON.stringify(answer)),
  (error) => console.log('refused', error.status),
);
