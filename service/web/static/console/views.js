// The console's views, in the order of the navigation. To add one: a module with a default export ({ route, session }) => html.
// What a view itself imports is asked for beside it, not after it.
const beside = (view) => view;

export const GROUPS = [
  ["Visitors", [
    ["journey", "Journey map", () => import("./journey.js")],
    ["personas", "Personas", () => import("./personas.js")],
  ]],
  ["Messages", [
    ["messages", "Messages", () => beside(import("./messages.js"), import("./preview.js"))],
    ["policy", "Policy", () => beside(import("./policy.js"), import("./jobs.js"), import("./diff.js"))],
    ["experiments", "Experiments", () => import("./experiments.js")],
  ]],
  ["Engine", [
    ["decisions", "Decisions", () => import("./decisions.js")],
    ["models", "Models", () => beside(import("./models.js"), import("./jobs.js"))],
    ["health", "Health", () => import("./health.js")],
  ]],
];

export const VIEWS = Object.fromEntries(GROUPS.flatMap(([, views]) => views.map(([id, name, load]) => [id, { name, load }])));
export const FIRST = GROUPS[0][1][0][0];
