const fs = require('fs');
const path = require('path');
const CopyWebpackPlugin = require('copy-webpack-plugin');

const { version } = require('./package.json');
const { info } = require('./src/plugin.json');

// Grafana brings these itself; a copy of React of our own would break its hooks.
const shared = [
  'react',
  'react-dom',
  'react-router',
  'react-router-dom',
  'rxjs',
  'lodash',
  'moment',
  'd3',
  'angular',
  'redux',
  '@emotion/css',
  '@emotion/react',
  '@grafana/data',
  '@grafana/runtime',
  '@grafana/ui',
];

function external({ request }, callback) {
  const known = shared.includes(request) || request === 'rxjs/operators';
  return known ? callback(null, request) : callback();
}

// The day of the source's last change when the build is told (reproducible builds), else of the build.
function today() {
  const epoch = process.env.SOURCE_DATE_EPOCH;
  return (epoch ? new Date(Number(epoch) * 1000) : new Date()).toISOString().slice(0, 10);
}

const repository = path.join(__dirname, '..');
// The library: the dashboards that the repository provisions, which the plugin's page offers to import.
const library = path.join(repository, 'dashboards');

function includes() {
  const files = fs.readdirSync(library).filter((name) => name.endsWith('.json'));
  return files.map((name) => {
    const { title } = JSON.parse(fs.readFileSync(path.join(library, name), 'utf8'));
    return { type: 'dashboard', name: `Flowgauge ${title}`, path: `dashboards/${name}` };
  });
}

function describe(content) {
  const about = content.toString().replaceAll('%VERSION%', version).replaceAll('%TODAY%', today());
  return JSON.stringify({ ...JSON.parse(about), includes: includes() }, null, 2) + '\n';
}

// Grafana's catalogue shows the page by itself: what it links to in the repository is nowhere beside it.
function absolute(page) {
  const { url } = info.links.find(({ name }) => name === 'Source');
  return page.toString().replaceAll('](../', `](${url}/blob/main/`);
}

module.exports = (_env, { mode }) => ({
  mode,
  context: path.join(__dirname, 'src'),
  entry: { module: './module.ts' },
  devtool: mode === 'production' ? 'source-map' : 'eval-source-map',
  target: ['web', 'es2021'],
  externals: [external],
  resolve: { extensions: ['.ts', '.tsx', '.js'] },
  module: {
    rules: [{ test: /\.tsx?$/, exclude: /node_modules/, use: 'swc-loader' }],
  },
  output: {
    path: path.join(__dirname, 'dist'),
    filename: '[name].js',
    library: { type: 'amd' },
    publicPath: 'public/plugins/flowgauge-analytics-datasource/',
    uniqueName: 'flowgauge-analytics-datasource',
    // The Go backend's binaries are built into the same folder.
    clean: { keep: /^gpx_/ },
  },
  plugins: [
    new CopyWebpackPlugin({
      patterns: [
        { from: 'plugin.json', transform: describe },
        { from: `${library}/*.json`, to: 'dashboards/[name][ext]' },
        { from: 'img', to: 'img' },
        { from: path.join(repository, 'docs/images/overview.png'), to: 'img' },
        { from: path.join(repository, 'LICENSE') },
        { from: '../CHANGELOG.md' },
        { from: '../README.md', transform: absolute },
      ],
    }),
  ],
});
