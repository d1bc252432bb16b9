"""The page of a data report, for Jinja: every value is escaped. No script, nothing from elsewhere."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Data: {{ subject.ingestion.source }}</title>
<style>
{{ style }}
.card img.chart { display: block; width: 100%; max-width: 560px; height: auto; }
.classes { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 14px 24px; }
.class h3 { font-size: .95rem; margin: 0 0 4px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.class h3 span { color: var(--soft); font-weight: 400; }
.strip { display: grid; grid-template-columns: repeat(4, 1fr); gap: 4px; }
.strip img { width: 100%; aspect-ratio: 1; object-fit: contain; background: #ececec; }
img.tiny { image-rendering: pixelated; }
td.picture { width: 60px; }
td.picture img { width: 48px; height: 48px; object-fit: contain; background: #ececec; display: block; }
@media (max-width: 560px) {
  table.rows thead { display: none; }
  table.rows tr { display: block; padding: 8px 0; border-bottom: 1px solid var(--rule); }
  table.rows td { display: block; border: 0; padding: 1px 0; }
  table.rows td.picture { width: auto; }
  table.rows td:empty { display: none; }
}
</style>
</head>
<body>
<main>
<header>
<h1>{{ subject.ingestion.source }}</h1>
<p>{{ subject.headline }}. {{ subject.kept_out }}</p>
</header>

{% if subject.findings.objections %}
<section class="card stop">
<h2>The data stop the run</h2>
<ul>
{% for objection in subject.findings.objections %}
<li>{{ objection.sentence[0] | upper }}{{ objection.sentence[1:] }}.</li>
{% endfor %}</ul>
<p>What to do:</p>
<ul>
{% for remedy in subject.findings.remedies %}<li>{{ remedy[0] | upper }}{{ remedy[1:] }}.</li>
{% endfor %}</ul>
</section>
{% endif %}

<div class="cards">
{% for card in cards %}
<section class="card">
<h2>{{ card.title }}</h2>
<p>{{ card.sentence }}</p>
{% if card.picture %}<img class="chart" src="{{ card.picture }}" alt="{{ card.title }}">{% endif %}
{% if card.classes %}
<details><summary>All classes, in numbers</summary>
<div class="scroll"><table>
<thead><tr><th>class</th>{% for split in subject.ingestion.splits %}<th class="number">{{ split }}</th>
{% endfor %}</tr></thead>
<tbody>
{% for name, counts in card.classes %}<tr><td>{{ name }}</td>
{% for count in counts %}<td class="number">{{ "{:,}".format(count) }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table></div></details>
{% endif %}
</section>
{% endfor %}
</div>

<section class="card wide">
<h2>Images of the train split</h2>
<p class="soft">At random, at most {{ per_class }} of a class. {{ rest }}</p>
<div class="classes">
{% for class in classes %}
<div class="class">
<h3 title="{{ class.name }}">{{ class.name }} <span>{{ "{:,}".format(class.images) }}</span></h3>
<div class="strip">
{% for picture in class.pictures %}
<img {% if picture.tiny %}class="tiny" {% endif %}src="{{ picture.uri }}" alt="{{ class.name }}">
{% endfor %}</div>
</div>
{% endfor %}
</div>
</section>

{% if worst %}
<section class="card wide">
<h2>Images kept out, the worst first</h2>
<p class="soft">{% if hidden %}{{ "{:,}".format(hidden) }} more are in quarantine.csv.
{% else %}These are all.{% endif %}</p>
<table class="rows">
<thead><tr><th></th><th>image</th><th>split</th><th>class</th><th>reason</th><th></th></tr></thead>
<tbody>
{% for row in worst %}<tr>
<td class="picture">{% if row.uri %}<img class="tiny" src="{{ row.uri }}" alt="">{% endif %}</td>
<td>{{ row.name }}</td><td>{{ row.split }}</td><td>{{ row.class_name }}</td>
<td>{{ row.reason }}</td><td>{{ row.detail }}</td></tr>
{% endfor %}</tbody>
</table>
</section>
{% endif %}
</main>
</body>
</html>
"""
