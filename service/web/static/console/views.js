// The console's views, in the order of the navigation. To add one: a module with a default export ({ route, session }) => html.
// The service joins these modules into two files a page (service/console_joined.py); they run as they are, too.

export const GROUPS = [
  ["Visitors", [
    ["journey", "Journey map", () => import("./journey.js")],
    ["personas", "Personas", () => import("./personas.js")],
  ]],
  ["Messages", [
    ["messages", "Messages", () => import("./messages.js")],
    ["policy", "Policy", () => import("./policy.js")],
    ["experiments", "Experiments", () => import("./experiments.js")],
  ]],
  ["Engine", [
    ["decisions", "Decisions", () => import("./decisions.js")],
    ["models", "Models", () => import("./models.js")],
    ["health", "Health", () => import("./health.js")],
  ]],
];

export const VIEWS = Object.fromEntries(GROUPS.flatMap(([, views]) => views.map(([id, name, load]) => [id, { name, load }])));
export const FIRST = GROUPS[0][1][0][0];
