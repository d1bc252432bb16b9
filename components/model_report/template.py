"""The page of a model card, for Jinja: every value is escaped. No script, nothing from elsewhere."""

PAGE = """{% macro filled(cell) %}
{% set words = cell.split() or [""] %}
<td{% if words | map("length") | max > 24 %} class="long"{% endif %}>{{ cell }}</td>
{% endmacro %}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Model card: {{ title }}</title>
<style>
{{ style }}
main { max-width: 920px; }
.verdict { border-left: 4px solid var(--bad); padding: 0 0 0 12px; margin: 12px 0 0; overflow-wrap: anywhere; }
.verdict.good { border-color: var(--good); }
.verdict p { margin: 0 0 4px; }
section p, section li { overflow-wrap: anywhere; }
section ul { margin: 0 0 10px; padding-left: 1.2em; }
.picture { margin: 14px 0 0; }
.picture img { display: block; width: 100%; max-width: 760px; height: auto; margin: 0 auto; }
td { overflow-wrap: break-word; }
td.long { overflow-wrap: anywhere; }
pre { overflow-x: auto; background: var(--back); border-radius: 6px; padding: 10px 12px;
  font-size: .85rem; margin: 0 0 10px; }
@media (max-width: 560px) {
  main { padding: 16px 8px 32px; }
  .picture { margin: 14px -16px 0; }
}
@media print {
  body { background: none; font-size: 11pt; }
  main { max-width: none; padding: 0; }
  .card { border: 0; padding: 0 0 6pt; }
  .picture { break-inside: avoid; }
  .picture img { max-width: 14cm; max-height: 21cm; width: auto; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  h2 { break-after: avoid; }
  tr { break-inside: avoid; }
  details { display: none; }
}
</style>
</head>
<body>
<main>
<header>
<h1>{{ title }}</h1>
<div class="verdict{% if blessed %} good{% endif %}">
{% for sentence in verdict %}
<p>{{ sentence }}</p>
{% endfor %}
</div>
</header>
{% for section in sections %}
{% if section.sentences or section.points or section.table or section.pictures %}
<section class="card wide">
<h2>{{ section.title }}</h2>
{% for sentence in section.sentences %}
<p>{{ sentence }}</p>
{% endfor %}
{% if section.points %}
<ul>
{% for point in section.points %}
<li>{{ point }}</li>
{% endfor %}
</ul>
{% endif %}
{% if section.table %}
<div class="scroll"><table>
<thead><tr>{% for cell in section.table.head %}<th>{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in section.table.rows %}
<tr>{% for cell in row %}{{ filled(cell) }}{% endfor %}</tr>
{% endfor %}
</tbody>
</table></div>
{% endif %}
{% for language, code in section.code %}
<pre><code class="{{ language }}">{{ code }}</code></pre>
{% endfor %}
{% for name in section.pictures %}
<div class="picture"><img src="{{ pictures[name] }}" alt="{{ name.replace("_", " ") }} of {{ title }}"></div>
{% endfor %}
{% if section.title == "Metrics" %}
<details><summary>All classes, in numbers</summary>
<div class="scroll"><table>
<thead><tr><th>number</th><th>class</th><th>test images</th><th>precision</th><th>recall</th><th>F1</th></tr></thead>
<tbody>
{% for row in classes %}
<tr>{% for cell in row %}{{ filled(cell) }}{% endfor %}</tr>
{% endfor %}
</tbody>
</table></div></details>
{% endif %}
</section>
{% endif %}
{% endfor %}
</main>
</body>
</html>
"""
