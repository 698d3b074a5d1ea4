// What the build makes has what Grafana's catalogue and its validator ask of a plugin, and is as small as it is thought to be.
const { execFileSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const { version } = require('../package.json');

const root = path.join(__dirname, '..');
const webpack = path.join(root, 'node_modules', 'webpack', 'bin', 'webpack.js');
let built;
let about;

const read = (name) => fs.readFileSync(path.join(built, name));

beforeAll(() => {
  built = fs.mkdtempSync(path.join(os.tmpdir(), 'flowgauge-package-'));
  execFileSync(process.execPath, [webpack, '--mode', 'production', '--output-path', built], { cwd: root });
  about = JSON.parse(read('plugin.json'));
});

afterAll(() => fs.rmSync(built, { recursive: true, force: true }));

it('describes itself', () => {
  expect(about.info.version).toBe(version);
  expect(about.info.updated).toMatch(/^\d{4}-\d\d-\d\d$/);
  expect(about.info.links.map(({ name }) => name)).toEqual(['Documentation', 'Source', 'License']);
  for (const { url } of about.info.links) {
    expect(url).toMatch(/^https:/);
  }
});

it('has the pictures that it names, of the kind that they are named', () => {
  const { logos, screenshots } = about.info;
  expect(screenshots.length).toBeGreaterThan(0);
  for (const picture of [logos.small, logos.large, ...screenshots.map(({ path }) => path)]) {
    expect(read(picture).toString('latin1')).toMatch({ '.svg': /^<svg/, '.png': /^\x89PNG/ }[path.extname(picture)]);
  }
});

it('has the dashboards that it offers', () => {
  expect(about.includes.length).toBeGreaterThan(0);
  for (const { path } of about.includes) {
    expect(JSON.parse(read(path)).title).toBeTruthy();
  }
});

it('has the licence, and a change log that knows the version', () => {
  expect(read('LICENSE').toString()).toContain('Apache License');
  expect(read('CHANGELOG.md').toString()).toContain(`\n## ${version}\n`);
});

it('has a page that stands by itself', () => {
  const links = [...read('README.md').toString().matchAll(/\]\((.+?)\)/g)].map(([, to]) => to);
  expect(links.length).toBeGreaterThan(0);
  for (const link of links) {
    expect(link).toMatch(/^(https:|#)/);
  }
});

it('has a source map of the sources as they are', () => {
  const { sources, sourcesContent } = JSON.parse(read('module.js.map'));
  const here = 'webpack://flowgauge-analytics-datasource/./';
  expect(sources).toContain(`${here}module.ts`);
  sources.forEach((name, i) => {
    if (name.startsWith(here)) {
      expect(sourcesContent[i]).toBe(fs.readFileSync(path.join(root, 'src', name.slice(here.length)), 'utf8'));
    }
  });
});

it('is smaller than 400 kB', () => {
  expect(read('module.js').length).toBeLessThan(400_000);
});
