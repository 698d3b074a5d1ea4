// Icons are fetched one by one; in tests they would only ever be late.
module.exports = { __esModule: true, default: () => null, cacheStore: {} };
