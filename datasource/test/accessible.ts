import axe from 'axe-core';

const rules = {
  'color-contrast': { enabled: false }, // nothing is painted in jsdom
  region: { enabled: false }, // landmarks are the page's, which is Grafana's
};

/** Fails on what someone with a screen reader or a keyboard stumbles over, in menus too. */
export async function expectAccessible() {
  const { violations } = await axe.run(document.body, { rules, resultTypes: ['violations'] });
  expect(violations.map(({ id, help, nodes }) => ({ id, help, at: nodes.map((n) => n.html) }))).toEqual([]);
}
