import axe from 'axe-core';

const rules = {
  'color-contrast': { enabled: false }, // nothing is painted in jsdom
  region: { enabled: false }, // landmarks are the page's, which is Grafana's
};

// Since Grafana 13 what scrolls in a Select's menu can take the focus, which no child of a list may that is not an option.
const isTheirs = (id: string, html: string) => id === 'aria-required-children' && html.includes('data-testid="data-testid Select menu"');

/** Fails on what someone with a screen reader or a keyboard stumbles over, in menus too. */
export async function expectAccessible() {
  const { violations } = await axe.run(document.body, { rules, resultTypes: ['violations'] });
  const found = violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => ({ id, help, html })));
  expect(found.filter(({ id, html }) => !isTheirs(id, html))).toEqual([]);
}
