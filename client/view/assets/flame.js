/* SPDX-License-Identifier: Apache-2.0 */
/* Draws the boxes of the page's data; what they mean is said on top of flame_html.c. */
(function () {
	var data = JSON.parse(document.getElementById("data").textContent);
	var ROW = 18, NARROW = 1.5, stride = data.signed ? 9 : 7, n = data.boxes.length / stride;
	var $ = function (id) { return document.getElementById(id); };
	var canvas = $("graph"), scroll = $("scroll"), context = canvas.getContext("2d");
	var input = $("search"), matched = $("matched"), tip = $("tip");
	var dark = matchMedia("(prefers-color-scheme: dark)");
	var depth = new Uint16Array(n), x = new Float64Array(n), w = new Float64Array(n);
	var parent = new Int32Array(n), end = new Int32Array(n), rows = [];
	var up = !data.icicle, byModule = data.byModule;
	var zoomed = 0, current = 0, hovered = -1, found = null, hits = [], waiting = false, fitted = {};

	function field(i, k) { return data.boxes[i * stride + k]; }
	function merged(i) { return field(i, 6); }
	function name(i) { return data.names[field(i, 1)]; }

	/* Boxes come with depth and width: they begin where the box before them in their parent ends. */
	function place() {
		var cursor = [0], open = [], i, d;
		for (i = 0; i < n; i++) {
			d = depth[i] = field(i, 0);
			w[i] = field(i, 4);
			x[i] = cursor[d];
			cursor[d] += w[i];
			cursor[d + 1] = x[i];
			while (open.length > d)
				end[open.pop()] = i;
			parent[i] = d ? open[d - 1] : -1;
			open.push(i);
			(rows[d] = rows[d] || []).push(i);
		}
		while (open.length)
			end[open.pop()] = n;
	}

	/* ---- text ---- */

	var families = [
		[/^(nanosecond|ns)s?$/, [["ns", 1], ["us", 1e3], ["ms", 1e6], ["s", 1e9], ["hrs", 3600e9]]],
		[/^(byte|b)s?$/i, [["B", 1], ["kB", 1024], ["MB", 1048576], ["GB", 1073741824], ["TB", 1099511627776]]]
	];

	function value(v) {
		var f = families.find(function (k) { return k[0].test(data.unit); }), unit, i;
		if (!f || !v)
			return String(v);
		unit = f[1][0];
		for (i = 1; i < f[1].length; i++)
			if (Math.abs(v) >= f[1][i][1])
				unit = f[1][i];
		return String(+(v / unit[1]).toFixed(2)) + unit[0];
	}

	function share(v, total) {
		return value(v) + (total ? " (" + percent(Math.abs(v / total)) + ")" : "");
	}

	function title(i) {
		var m = merged(i);
		return m ? m + (m === 1 ? " frame, too narrow to show" : " frames merged, too narrow to show") : name(i);
	}

	function numbers(i) {
		var v = data.signed ? field(i, 7) : w[i], b, text;
		if (data.compared) {
			b = field(i, 8);
			return share(b, data.baseTotal) + " → " + share(v, data.total) + ", " +
				(v > b ? "+" : "") + value(v - b);
		}
		text = share(v, data.total);
		if (!data.inverted && field(i, 5) && !merged(i))
			text += ", self " + share(field(i, 5), data.total);
		return text;
	}

	function origin(i) {
		var module = data.modules[field(i, 2)], kind = field(i, 3);
		return merged(i) || !kind ? "" : data.kinds[kind] + (module ? ", " + module : "");
	}

	function lines(i) {
		return [title(i), numbers(i), origin(i)].filter(Boolean);
	}

	/* ---- drawing ---- */

	function color(i) {
		var palette = dark.matches ? data.dark : data.light, half, v, b, most;
		if (merged(i))
			return palette[data.mergedColor];
		if (data.compared) {
			half = (data.changes - 1) / 2;
			v = field(i, 7);
			b = field(i, 8);
			most = Math.max(Math.abs(v), Math.abs(b));
			v = most ? Math.max(-1, Math.min(1, (v - b) / most)) : 0;
			return palette[data.change + Math.round(half + v * half)];
		}
		if (byModule && field(i, 3))
			return palette[data.moduleColors[field(i, 2)]];
		return palette[field(i, 3) * data.shades + data.nameShades[field(i, 1)]];
	}

	function view() {
		var lo = x[zoomed], width = canvas.clientWidth;
		return { lo: lo, hi: lo + w[zoomed], width: width, scale: w[zoomed] ? width / w[zoomed] : 0 };
	}

	function top(d) {
		var space = Math.max(data.rows * ROW, scroll.clientHeight);
		return (up ? space - (d + 1) * ROW : d * ROW) - scroll.scrollTop;
	}

	/* The first box of a row that ends behind a place. */
	function first(row, at) {
		var low = 0, high = row.length, middle;
		while (low < high) {
			middle = (low + high) >> 1;
			if (x[row[middle]] + w[row[middle]] > at)
				high = middle;
			else
				low = middle + 1;
		}
		return low;
	}

	function label(i, width) {
		var key = field(i, 1) + " " + Math.floor(width) + (merged(i) ? " " + merged(i) : ""), text = fitted[key];
		if (text === undefined) {
			text = shorten(merged(i) ? merged(i) + " merged" : name(i), function (t) {
				return t.length < width && context.measureText(t).width <= width - 6;
			});
			fitted[key] = text;
		}
		return text;
	}

	function drawBox(i, left, right, y) {
		var hit = found && !merged(i) && found[field(i, 1)];
		var past = i < zoomed && end[i] > zoomed;
		context.globalAlpha = past ? 0.55 : 1;
		context.fillStyle = hit ? (dark.matches ? "#c33bb2" : "#e24fd0") : color(i);
		context.fillRect(left, y, Math.max(right - left - 0.6, 0.8), ROW - 1);
		if (right - left > 20) {
			context.fillStyle = dark.matches ? "#fff" : "#111";
			context.fillText(label(i, right - left), left + 3, y + 13);
		}
		context.globalAlpha = 1;
		if (i === hovered || (i === current && document.activeElement === canvas)) {
			context.lineWidth = i === current ? 3 : 1.5;
			context.strokeStyle = i === current ? getComputedStyle(document.body).getPropertyValue("--focus")
				: dark.matches ? "#fff" : "#000";
			context.strokeRect(left + 1.5, y + 1.5, Math.max(right - left - 3.6, 1), ROW - 4);
		}
	}

	/* Neighbours that are too narrow are one grey box; what is in it is counted. */
	function drawRow(row, v, y) {
		var k = first(row, v.lo), from = -1, to = 0, hit = false, narrow = 0, i, left, right;
		function flush() {
			if (from < 0)
				return;
			context.fillStyle = hit ? (dark.matches ? "#c33bb2" : "#e24fd0")
				: (dark.matches ? data.dark : data.light)[data.mergedColor];
			context.fillRect(from, y, Math.max(to - from - 0.6, 0.8), ROW - 1);
			from = -1;
			hit = false;
		}
		for (; k < row.length && x[row[k]] < v.hi; k++) {
			i = row[k];
			left = Math.max(0, (x[i] - v.lo) * v.scale);
			right = Math.min(v.width, (x[i] + w[i] - v.lo) * v.scale);
			if (right - left >= NARROW || (i === current && document.activeElement === canvas)) {
				flush();
				drawBox(i, left, right, y);
				continue;
			}
			if (from >= 0 && left - to > 1)
				flush();
			from = from < 0 ? left : from;
			to = right;
			hit = hit || !!(found && !merged(i) && found[field(i, 1)]);
			narrow += merged(i) ? 0 : 1;
		}
		flush();
		return narrow;
	}

	function draw() {
		var ratio = devicePixelRatio || 1, width = scroll.clientWidth, height = scroll.clientHeight;
		var v, d, y, narrow = 0, started = performance.now();
		if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
			canvas.width = Math.round(width * ratio);
			canvas.height = Math.round(height * ratio);
			canvas.style.width = width + "px";
			canvas.style.height = height + "px";
			fitted = {};
		}
		$("space").style.height = Math.max(data.rows * ROW - height, 0) + "px";
		context.setTransform(ratio, 0, 0, ratio, 0, 0);
		context.clearRect(0, 0, width, height);
		context.font = "12px " + getComputedStyle(document.body).fontFamily;
		v = view();
		for (d = 0; d < rows.length; d++) {
			y = top(d);
			if (y > -ROW && y < height)
				narrow += drawRow(rows[d], v, y);
		}
		say(narrow);
		canvas.dataset.drawMs = (performance.now() - started).toFixed(1);
	}

	function later() {
		if (!waiting)
			requestAnimationFrame(function () { waiting = false; draw(); });
		waiting = true;
	}

	function say(narrow) {
		var text = [];
		if (data.mergedFrames)
			text.push(data.mergedFrames + " frames (" + percent(data.mergedWidth / w[0]) +
				" of the width) are merged in this file");
		if (narrow)
			text.push(narrow + " more in view are narrower than a pixel or two: zoom in to see them");
		text = text.join("; ");
		if ($("merged").textContent !== text) {
			$("merged").textContent = text;
			later();
		}
	}

	/* ---- what it does ---- */

	function describe() {
		var item = $("current");
		item.setAttribute("aria-level", depth[current] + 1);
		item.setAttribute("aria-label", lines(current).join(", "));
		item.textContent = title(current);
		$("detail").textContent = lines(current).join("  ·  ");
		canvas.dataset.zoomed = title(zoomed);
		canvas.dataset.current = title(current);
	}

	function show(i) {
		var y = top(depth[i]);
		if (y < 0)
			scroll.scrollTop += y - ROW;
		else if (y + ROW > scroll.clientHeight)
			scroll.scrollTop += y + 2 * ROW - scroll.clientHeight;
	}

	function go(i) {
		current = i;
		describe();
		show(i);
		later();
	}

	function zoom(i) {
		zoomed = merged(i) ? Math.max(parent[i], 0) : i;
		describe();
		later();
	}

	function inView(i) {
		return (i < zoomed && end[i] > zoomed) || (i >= zoomed && i < end[zoomed]);
	}

	function search(text) {
		var re = text && expression(text), sum = 0, until = 0, i;
		input.setAttribute("aria-invalid", text && !re ? "true" : "false");
		found = re ? data.names.map(function (t) { return re.test(t); }) : null;
		hits = [];
		for (i = 0; found && i < n; i++) {
			if (merged(i) || !found[field(i, 1)])
				continue;
			hits.push(i);
			/* What is above a match is in it already. */
			if (i >= until) {
				sum += w[i];
				until = end[i];
			}
		}
		matched.textContent = !text ? "" : !re ? "not an expression"
			: "matched " + percent(w[0] ? sum / w[0] : 0);
		later();
	}

	function reset() {
		input.value = "";
		search("");
		zoom(0);
		go(0);
	}

	function next(by) {
		var shown = hits.filter(inView), at;
		if (by < 0)
			shown.reverse();
		at = shown.find(function (i) { return by > 0 ? i > current : i < current; });
		if (shown.length)
			go(at === undefined ? shown[0] : at);
	}

	function beside(by) {
		var row = rows[depth[current]], k = row.indexOf(current) + by;
		return row[k] !== undefined && inView(row[k]) ? row[k] : current;
	}

	function below() {
		if (current < zoomed && end[current] > zoomed)
			return rows[depth[current] + 1].find(inView);
		return current + 1 < end[current] ? current + 1 : current;
	}

	function key(event) {
		var done = true;
		if (event.ctrlKey || event.altKey || event.metaKey)
			return;
		if (event.key === "Escape") {
			reset();
			canvas.focus();
		} else if (event.target === input) {
			if (event.key !== "Enter")
				return;
			canvas.focus();
			if (hits.length)
				go(hits[0]);
		} else if (event.key === "/") {
			input.focus();
			input.select();
		} else if (event.target !== canvas && event.target !== document.body) {
			return;
		} else if (event.key === (up ? "ArrowUp" : "ArrowDown")) {
			go(below());
		} else if (event.key === (up ? "ArrowDown" : "ArrowUp")) {
			go(Math.max(parent[current], 0));
		} else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
			go(beside(event.key === "ArrowLeft" ? -1 : 1));
		} else if (event.key === "Home") {
			go(zoomed);
		} else if (event.key === "Enter" || event.key === " ") {
			zoom(current);
		} else if (event.key === "n" || event.key === "N") {
			next(event.key === "n" ? 1 : -1);
		} else {
			done = false;
		}
		if (done)
			event.preventDefault();
	}

	function at(event) {
		var r = canvas.getBoundingClientRect(), v = view(), y = event.clientY - r.top;
		var space = Math.max(data.rows * ROW, scroll.clientHeight), row, k, p;
		var d = Math.floor((y + scroll.scrollTop) / ROW);
		d = up ? Math.floor((space - y - scroll.scrollTop) / ROW) : d;
		row = rows[d];
		if (!row || !v.scale)
			return -1;
		p = v.lo + (event.clientX - r.left) / v.scale;
		k = first(row, p);
		return row[k] !== undefined && x[row[k]] <= p && x[row[k]] < v.hi ? row[k] : -1;
	}

	function point(event) {
		var i = at(event), bold;
		if (i !== hovered) {
			hovered = i;
			later();
			tip.textContent = "";
			if (i >= 0) {
				bold = tip.appendChild(document.createElement("b"));
				bold.textContent = title(i);
				lines(i).slice(1).forEach(function (t) {
					tip.appendChild(document.createElement("div")).textContent = t;
				});
			}
			$("detail").textContent = lines(i < 0 ? current : i).join("  ·  ");
		}
		tip.hidden = i < 0;
		if (i < 0)
			return;
		tip.style.left = Math.max(4, Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)) + "px";
		tip.style.top = (event.clientY + 18 + tip.offsetHeight > innerHeight
			? Math.max(4, event.clientY - tip.offsetHeight - 10) : event.clientY + 18) + "px";
	}

	function legend() {
		var palette = dark.matches ? data.dark : data.light, used = {}, list = [], i;
		for (i = 0; i < n; i++)
			if (!merged(i))
				used[field(i, 3)] = true;
		if (data.compared)
			list = [["less or gone", palette[data.change]],
				["more or new", palette[data.change + data.changes - 1]],
				["wide as the larger of both", palette[data.change + (data.changes - 1) / 2]]];
		else if (!byModule)
			list = data.kinds.map(function (t, k) { return [t, palette[k * data.shades + 1], k]; })
				.filter(function (e) { return e[2] && used[e[2]]; });
		if (data.mergedFrames)
			list.push(["merged", palette[data.mergedColor]]);
		$("legend").textContent = "";
		list.forEach(function (e) {
			var chip = $("legend").appendChild(document.createElement("span"));
			chip.textContent = e[0];
			chip.style.setProperty("--chip", e[1]);
		});
	}

	function turn() {
		up = !up;
		draw();
		scroll.scrollTop = up ? scroll.scrollHeight : 0;
		later();
	}

	function listen() {
		canvas.addEventListener("mousemove", point);
		canvas.addEventListener("mouseleave", function () {
			tip.hidden = true;
			hovered = -1;
			describe();
			later();
		});
		canvas.addEventListener("click", function (event) {
			var i = at(event);
			if (i >= 0) {
				zoom(i);
				current = i;
				describe();
			}
		});
		["focus", "blur"].forEach(function (type) { canvas.addEventListener(type, later); });
		document.addEventListener("keydown", key);
		scroll.addEventListener("scroll", function () { tip.hidden = true; later(); });
		new ResizeObserver(later).observe(scroll);
		dark.addEventListener("change", function () { legend(); later(); });
		input.addEventListener("input", function () { search(input.value); });
		$("reset").addEventListener("click", reset);
		$("turn").addEventListener("click", turn);
		$("colors").value = byModule ? "module" : "kind";
		$("colors").addEventListener("change", function () {
			byModule = $("colors").value === "module";
			legend();
			later();
		});
		$("by").hidden = data.compared;
	}

	place();
	legend();
	listen();
	describe();
	draw();
	scroll.scrollTop = up ? scroll.scrollHeight : 0;
	draw();
}());
