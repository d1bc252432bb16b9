"""What our HTML pages have in common: each is one file that needs nothing beside it, and runs no script."""

import base64

import jinja2
import markupsafe

# Of every page: for Jinja's `{{ style }}`.
STYLE = """
:root { --ink: #1a1a1a; --soft: #5a5a5a; --rule: #dddddd; --paper: #ffffff; --back: #f4f5f7; --bad: #b34700;
  --good: #00664b; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif; }
main { max-width: 1360px; margin: 0 auto; padding: 20px 16px 48px; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 8px; }
p { margin: 0 0 10px; }
.soft { color: var(--soft); font-size: .92rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); gap: 16px;
  margin-top: 16px; align-items: start; }
.card { background: var(--paper); border: 1px solid var(--rule); border-radius: 8px; padding: 16px; min-width: 0; }
.wide { margin-top: 16px; }
.stop { border: 2px solid var(--bad); }
.stop h2 { color: var(--bad); }
.stop ul { margin: 0 0 10px; padding-left: 1.2em; }
.stop li { overflow-wrap: anywhere; }
.numbers { display: flex; flex-wrap: wrap; gap: 4px 28px; margin: 12px 0 0; padding: 0; }
.numbers div { display: flex; flex-direction: column-reverse; }
.numbers dt { color: var(--soft); font-size: .88rem; }
.numbers dd { margin: 0; font-size: 1.35rem; font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--rule); vertical-align: middle; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; color: var(--soft); margin-top: 8px; }
"""


def render(template: str, **values: object) -> str:
    """Renders a page, in which every value is escaped: names come from whoever made the data."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(template).render(style=markupsafe.Markup(STYLE), **values)


def data_uri(content: bytes, kind: str = "png") -> str:
    """Inlines a picture."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
