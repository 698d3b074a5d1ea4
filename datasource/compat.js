// Checks the source against the oldest and the newest Grafana that it is for. Levitate sees whether what is imported is
// there; types and tests with the newest packages see what the source does with it. It needs the network and some minutes.
const { execFileSync, spawnSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const about = require('./package.json');

const levitate = '@grafana/levitate@0.17.2';
const oldest = '10.1.0';
const newest = '13.2.3';
// What the newest Grafana runs with.
const beside = { react: '19.3.1', 'react-dom': '19.3.1', rxjs: '7.8.2', '@types/react': '19.3.3', '@types/react-dom': '19.3.0' };
const shared = ['@grafana/data', '@grafana/runtime', '@grafana/ui'];

function run(cwd, program, ...args) {
  console.log(`==> ${program} ${args.join(' ')}`);
  execFileSync(program, args, { cwd, stdio: 'inherit', shell: process.platform === 'win32' });
}

/** Fails unless levitate has compared each package: what it could not read, or skips, it calls compatible. */
function compare(version) {
  const targets = shared.map((name) => `${name}@${version}`).join(',');
  const args = ['--yes', levitate, 'is-compatible', '--path', 'src/module.ts', '--target', targets];
  console.log(`==> npx ${args.join(' ')}`);
  const { stdout, stderr, status, error } = spawnSync('npx', args, { cwd: __dirname, encoding: 'utf8', shell: process.platform === 'win32' });
  console.log(stdout, stderr);
  const compared = `${stdout}${stderr}`.match(/Successfully compared versions/g)?.length ?? 0;
  if (error || status !== 0 || compared !== shared.length) {
    throw new Error(`levitate compared ${compared} of ${shared.length} packages with ${version}, exit status ${status}; it says why above`, { cause: error });
  }
}

/** The front end in a folder of its own, with the newest packages. */
function withNewest(folder) {
  const versions = { ...beside, ...Object.fromEntries(shared.map((name) => [name, newest])) };
  const taken = (packages) => Object.fromEntries(Object.entries(packages).map(([name, v]) => [name, versions[name] ?? v]));
  const manifest = { ...about, dependencies: taken(about.dependencies), devDependencies: taken(about.devDependencies) };
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest, null, 2));
  for (const name of ['src', 'test', '.npmrc', 'jest.config.js', 'tsconfig.json']) {
    fs.cpSync(path.join(__dirname, name), path.join(folder, name), { recursive: true });
  }
  // Packages of Grafana's ask for each other's versions more narrowly than they need.
  run(folder, 'npm', 'install', '--no-package-lock', '--ignore-scripts', '--legacy-peer-deps', '--loglevel=error');
}

compare(oldest);
compare(newest);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flowgauge-compat-'));
try {
  withNewest(folder);
  run(folder, 'npm', 'run', 'typecheck');
  run(folder, 'npm', 'test', '--', '--testPathIgnorePatterns=package.test'); // the build is not of Grafana's packages
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
console.log(`
Compared the source, which is written with ${shared.map((name) => `${name} ${about.dependencies[name]}`).join(', ')}:
- what it imports is in those packages of ${oldest} and of ${newest}, and is what it was;
- its types and tests pass with those of ${newest} and React ${beside.react}.`);
