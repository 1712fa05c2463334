/* SPDX-License-Identifier: Apache-2.0 */
/* Zoom, search and keyboard of the boxes that the file holds. */
(function () {
	var svg = document.currentScript.ownerSVGElement;
	var up = svg.dataset.grows === "up", XHTML = "http://www.w3.org/1999/xhtml";
	var detail = svg.querySelector("#detail"), head = svg.querySelector("#head");
	var boxes = [], rows = [], zoomed = 0, current = 0, hits = [];
	var context = document.createElementNS(XHTML, "canvas").getContext("2d");
	var tools, input, matched;

	function read() {
		var open = [], first;
		svg.querySelectorAll("#boxes>svg").forEach(function (element, i) {
			var y = +element.getAttribute("y"), lines = element.firstChild.textContent.split("\n");
			first = i ? first : y;
			var b = { element: element, y: y, depth: Math.round(Math.abs(y - first) / 18),
				x: parseFloat(element.getAttribute("x")),
				w: parseFloat(element.getAttribute("width")), end: i + 1,
				name: lines[0], lines: lines, merged: element.classList.contains("m"),
				text: element.querySelector("text"), shown: true };
			while (open.length > b.depth)
				open.pop();
			b.parent = open.length ? open[open.length - 1] : -1;
			open.forEach(function (k) { boxes[k].end = i + 1; });
			open.push(i);
			boxes.push(b);
			(rows[b.depth] = rows[b.depth] || []).push(i);
			element.setAttribute("role", "treeitem");
			element.setAttribute("aria-level", b.depth + 1);
			element.setAttribute("aria-label", lines.join(", "));
		});
	}

	function label(b, width) {
		if (width < 20) {
			if (b.text)
				b.text.textContent = "";
			return;
		}
		if (!b.text) {
			b.text = document.createElementNS(svg.namespaceURI, "text");
			b.text.setAttribute("x", 3);
			b.text.setAttribute("y", 13);
			b.element.appendChild(b.text);
		}
		b.text.textContent = shorten(b.name, function (text) {
			return text.length < width && context.measureText(text).width <= width - 6;
		});
	}

	function draw() {
		var z = boxes[zoomed], width = svg.getBoundingClientRect().width, i, b, x, w;
		context.font = "12px " + getComputedStyle(svg).fontFamily;
		for (i = 0; i < boxes.length; i++) {
			b = boxes[i];
			if (i < zoomed && b.end > zoomed) {
				x = 0;
				w = 100;
			} else {
				x = (b.x - z.x) / z.w * 100;
				w = b.w / z.w * 100;
			}
			b.shown = (i < zoomed && b.end > zoomed) || (i >= zoomed && i < z.end);
			b.element.style.display = b.shown ? "" : "none";
			b.element.classList.toggle("past", i < zoomed);
			if (!b.shown)
				continue;
			b.element.setAttribute("x", x.toFixed(5) + "%");
			b.element.setAttribute("width", w.toFixed(5) + "%");
			label(b, w / 100 * width);
		}
	}

	function zoom(i) {
		zoomed = boxes[i].merged ? Math.max(boxes[i].parent, 0) : i;
		draw();
	}

	function search(text) {
		var re = text && expression(text), sum = 0, until = 0;
		input.setAttribute("aria-invalid", text && !re ? "true" : "false");
		hits = [];
		boxes.forEach(function (b, i) {
			var hit = !!re && !b.merged && re.test(b.name);
			b.element.classList.toggle("hit", hit);
			if (!hit)
				return;
			hits.push(i);
			/* What is above a match is in it already. */
			if (i >= until) {
				sum += b.w / boxes[0].w;
				until = b.end;
			}
		});
		matched.textContent = !text ? "" : !re ? "no expression" : "matched " + percent(sum);
	}

	function say(i) {
		detail.textContent = boxes[i].lines.join("  ·  ");
	}

	function focus(i) {
		boxes[current].element.removeAttribute("tabindex");
		current = i;
		boxes[i].element.setAttribute("tabindex", "0");
		boxes[i].element.focus();
	}

	function beside(i, by) {
		var row = rows[boxes[i].depth], k = row.indexOf(i) + by;
		while (row[k] !== undefined && !boxes[row[k]].shown)
			k += by;
		return row[k] === undefined ? i : row[k];
	}

	function below(i) {
		return i + 1 < boxes[i].end ? (i < zoomed && boxes[i].end > zoomed ?
			rows[boxes[i].depth + 1].find(function (k) { return boxes[k].shown; }) : i + 1) : i;
	}

	function reset() {
		input.value = "";
		search("");
		zoom(0);
	}

	function next(by) {
		var shown = hits.filter(function (i) { return boxes[i].shown; });
		var at = by > 0 ? shown.find(function (i) { return i > current; })
			: shown.reverse().find(function (i) { return i < current; });
		if (shown.length)
			focus(at === undefined ? shown[0] : at);
	}

	function key(event) {
		var parent = boxes[current].parent, done = true;
		if (event.ctrlKey || event.altKey || event.metaKey)
			return;
		if (event.key === "Escape") {
			reset();
			focus(0);
		} else if (event.target === input) {
			if (event.key !== "Enter")
				return;
			if (hits.length)
				focus(hits[0]);
		} else if (event.key === "/") {
			input.focus();
			input.select();
		} else if (event.target.localName === "button") {
			return;
		} else if (event.key === (up ? "ArrowUp" : "ArrowDown")) {
			focus(below(current));
		} else if (event.key === (up ? "ArrowDown" : "ArrowUp")) {
			focus(Math.max(parent, 0));
		} else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
			focus(beside(current, event.key === "ArrowLeft" ? -1 : 1));
		} else if (event.key === "Home") {
			focus(zoomed);
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

	function make(name, parent, attributes) {
		var element = document.createElementNS(XHTML, name);
		Object.keys(attributes).forEach(function (k) { element.setAttribute(k, attributes[k]); });
		return parent.appendChild(element);
	}

	function makeTools() {
		var place = document.createElementNS(svg.namespaceURI, "foreignObject");
		[["x", "100%"], ["y", 4], ["width", 360], ["height", 30], ["transform", "translate(-366 0)"]]
			.forEach(function (a) { place.setAttribute(a[0], a[1]); });
		head.appendChild(place);
		tools = make("div", place, { id: "tools" });
		matched = make("output", tools, { id: "matched", "aria-live": "polite" });
		var label = make("label", tools, { title: "Names by regular expression; / goes here" });
		label.textContent = "Search ";
		input = make("input", label, { type: "search", id: "search" });
		input.addEventListener("input", function () { search(input.value); });
		var button = make("button", tools, { id: "reset", type: "button",
			title: "All of it again (Escape)" });
		button.textContent = "Reset";
		button.addEventListener("click", reset);
	}

	function indexOf(event) {
		var element = event.target.closest && event.target.closest("svg.b");
		return element ? boxes.findIndex(function (b) { return b.element === element; }) : -1;
	}

	function listen() {
		var list = svg.querySelector("#boxes"), waiting = false;
		list.addEventListener("click", function (event) {
			var i = indexOf(event);
			if (i >= 0) {
				zoom(i);
				focus(i);
			}
		});
		["mouseover", "focusin"].forEach(function (type) {
			list.addEventListener(type, function (event) {
				var i = indexOf(event);
				if (i >= 0)
					say(i);
			});
		});
		list.addEventListener("mouseleave", function () { say(current); });
		document.addEventListener("keydown", key);
		addEventListener("scroll", function () {
			head.setAttribute("transform", "translate(0 " + scrollY + ")");
		});
		addEventListener("resize", function () {
			if (!waiting)
				requestAnimationFrame(function () { waiting = false; draw(); });
			waiting = true;
		});
	}

	read();
	makeTools();
	listen();
	svg.classList.add("live");
	boxes[0].element.setAttribute("tabindex", "0");
	draw();
	if (up)
		scrollTo(0, svg.getBoundingClientRect().height);
}());
