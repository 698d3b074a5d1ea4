// What Grafana's components ask of a browser and jsdom does not have.
Object.defineProperty(window, 'matchMedia', {
  value: (query) => ({ matches: false, media: query, addEventListener() {}, removeEventListener() {}, addListener() {}, removeListener() {} }),
});
global.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
const { TextEncoder, TextDecoder } = require('util');
global.TextEncoder ??= TextEncoder;
global.TextDecoder ??= TextDecoder;
HTMLCanvasElement.prototype.getContext = () => null;
