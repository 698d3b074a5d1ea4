// What Grafana's packages bring as ES modules; jest runs CommonJS.
const esm = ['@grafana/schema', '@react-hookz/web', '@ver0/deep-equal', '@wojtekmaj/date-utils', 'd3', 'd3-.*', 'delaunator', 'internmap', 'marked', 'ol', 'react-colorful', 'robust-predicates', 'rxjs', 'uuid', 'geotiff', 'quick-lru', 'color-.*', 'rbush', 'quickselect', 'earcut', 'pbf', 'get-user-locale', 'memoize', 'mimic-function', 'react-calendar', 'uwrap'];

module.exports = {
  testEnvironment: 'jsdom',
  testMatch: ['<rootDir>/test/**/*.test.{js,ts,tsx}'],
  moduleNameMapper: {
    '^react-inlinesvg$': '<rootDir>/test/svg.js',
    '\\.(css|scss|sass|svg)$': '<rootDir>/test/style.js',
  },
  setupFiles: ['<rootDir>/test/setup.js'],
  setupFilesAfterEnv: ['<rootDir>/test/console.js'],
  testTimeout: 60_000, // tests say what holds, never how long it took
  transform: {
    '^.+\\.[cm]?[jt]sx?$': [
      '@swc/jest',
      {
        sourceMaps: 'inline',
        jsc: {
          parser: { syntax: 'typescript', tsx: true },
          target: 'es2021',
          transform: { react: { runtime: 'classic' } },
        },
        module: { type: 'commonjs' },
      },
    ],
  },
  transformIgnorePatterns: [`node_modules/(?!(${esm.join('|')})/)`],
};
