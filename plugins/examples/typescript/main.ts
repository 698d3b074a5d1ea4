// A plugin for Flowgauge that masks e-mail addresses in the messages of errors.
import { type Change, serve } from './flowgauge.js';

// No longer than the shortest address: the longest message that is allowed stays one.
const mask = '[mail]';

// It is looked for at the beginnings of words only, and no further than domains are long: a long
// message costs little, with addresses or without, whoever has written it.
const address = /(?<![\w.+-])[\w.+-]+@([a-z0-9.-]{1,250}\.[a-z]{2,24})/gi;

let kept = new Set<string>(); // domains whose addresses stay, in lower case

await serve({
  id: 'example-mask',
  version: '1.0.0',

  configure({ keep_domains = [] }) {
    if (!Array.isArray(keep_domains) || !keep_domains.every((d) => typeof d === 'string')) {
      throw new Error(`keep_domains is ${JSON.stringify(keep_domains)}: want a list of domains such as ["acme.com"]`);
    }
    kept = new Set(keep_domains.map((d) => d.toLowerCase()));
  },

  enrich(events) {
    const changes: Change[] = [];
    events.forEach(({ errorMessage = '' }, index) => {
      const masked = errorMessage.replace(address, (whole: string, domain: string) =>
        kept.has(domain.toLowerCase()) ? whole : mask,
      );
      if (masked !== errorMessage) {
        changes.push({ index, set: { errorMessage: masked } });
      }
    });
    return changes;
  },
});
