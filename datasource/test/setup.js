// What Grafana's components ask of a browser and jsdom does not have.
Object.defineProperty(window, 'matchMedia', {
  value: (query) => ({ matches: false, media: query, addEventListener() {}, removeEventListener() {}, addListener() {}, removeListener() {} }),
});
global.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
global.IntersectionObserver ??= global.ResizeObserver;
const { TextEncoder, TextDecoder } = require('util');
global.TextEncoder ??= TextEncoder;
global.TextDecoder ??= TextDecoder;
HTMLCanvasElement.prototype.getContext = () => null;
// Grafana 13 renders text to measure it; Node's own channel would keep the process alive.
global.MessageChannel ??= class {
  port1 = { onmessage: null };
  port2 = { postMessage: (data) => setTimeout(() => this.port1.onmessage?.({ data })) };
};
