/* SPDX-License-Identifier: Apache-2.0 */
/* Names that are shortened to what fits, and what is searched for. */
"use strict";

/* Without what stands in <...> and (...), outermost pairs; operators keep their signs. */
function collapse(name) {
	var out = "", depth = 0, i = 0, c, m;
	while (i < name.length) {
		m = /^operator\s*(<=>|<<=?|>>=?|<=?|>=?|->\*?|\(\))/.exec(name.slice(i, i + 16));
		if (m && !depth) {
			out += m[0];
			i += m[0].length;
			continue;
		}
		m = /^\((anonymous namespace|\*[^()]*)\)/.exec(name.slice(i, i + 80));
		if (m && !depth) {
			out += m[0];
			i += m[0].length;
			continue;
		}
		c = name[i++];
		if (c === "<" || c === "(") {
			if (!depth++)
				out += c;
		} else if ((c === ">" || c === ")") && depth && name[i - 2] !== "-") {
			if (!--depth)
				out += (out.endsWith("<") || (out.endsWith("(") && name[i - 2] !== "("))
					? "…" + c : c;
		} else if (!depth) {
			out += c;
		}
	}
	return depth ? name : out;
}

/* Where the scopes of a name end, from the outside in: behind a::, a/ and a.b. of Go's packages. */
function scopes(name) {
	var at = [], m, re = /::|\/|\.(?=\(\*)/g;
	while ((m = re.exec(name)))
		at.push(m.index + m[0].length);
	return at;
}

/* The longest form of a name for which fits(text) holds; "" for none. */
function shorten(name, fits) {
	var forms, i, low, high, middle;
	if (fits(name))
		return name;
	forms = collapse(name);
	if (fits(forms))
		return forms;
	var ends = scopes(forms);
	for (i = 0; i < ends.length; i++)
		if (fits("…" + forms.slice(ends[i])))
			return "…" + forms.slice(ends[i]);
	if (ends.length)
		forms = forms.slice(ends[ends.length - 1]);
	for (low = 1, high = forms.length; low < high;) {
		middle = (low + high + 1) >> 1;
		if (fits(forms.slice(0, middle) + "…"))
			low = middle;
		else
			high = middle - 1;
	}
	return low > 1 && fits(forms.slice(0, low) + "…") ? forms.slice(0, low) + "…" : "";
}

/* A regular expression, of any case unless there are capitals; null where it is none. */
function expression(text) {
	try {
		return new RegExp(text, /[A-Z]/.test(text) ? "u" : "iu");
	} catch (e) {
		return null;
	}
}

function percent(share) {
	var p = share * 100;
	return (p >= 99.95 ? p.toFixed(0) : String(+p.toPrecision(3))) + "%";
}
