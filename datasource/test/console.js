// What a browser's console would warn of is a fault: the test that causes it fails.
const { format } = require('util');

const said = [];
for (const level of ['error', 'warn']) {
  console[level] = (...args) => said.push(`console.${level}: ${format(...args)}`);
}

function expectSilence() {
  const all = said.splice(0);
  if (all.length > 0) {
    throw new Error(all.join('\n\n'));
  }
}

afterEach(expectSilence);
// What imports say, and components when they are taken away after the last test.
afterAll(expectSilence);
