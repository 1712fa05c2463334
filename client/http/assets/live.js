// SPDX-License-Identifier: Apache-2.0
// Renews what is shown: the overview's text, or the frame that holds the flame graph.
'use strict';

const live = document.getElementById('live');
const said = document.getElementById('said');
const overview = document.getElementById('overview');
const graphs = document.getElementById('graphs');
const filter = document.getElementById('filter');

function wanted() {
	return live.checked && !document.hidden;
}

function applyFilter() {
	const word = filter.value.toLowerCase();
	for (const row of document.querySelectorAll('#processes tbody tr'))
		row.hidden = !row.textContent.toLowerCase().includes(word);
}

async function renewOverview() {
	try {
		const reply = await fetch(location.pathname, { cache: 'no-store' });
		const text = await reply.text();
		if (!reply.ok)
			throw new Error(text.trim());
		const fresh = new DOMParser().parseFromString(text, 'text/html').getElementById('overview');
		if (fresh && getSelection().isCollapsed)
			overview.replaceChildren(...fresh.childNodes);
		applyFilter();
		said.textContent = '';
	} catch (e) {
		said.textContent = e.message;
	}
}

// The next graph is loaded out of sight, so that the one that is looked at stays until then. Whoever
// works in it keeps it.
function renewGraph() {
	return new Promise((done) => {
		const old = graphs.querySelector('iframe');
		if (document.activeElement === old) {
			live.checked = false;
			said.textContent = 'paused';
			return done();
		}
		const next = old.cloneNode();
		next.className = 'next';
		next.addEventListener('load', () => {
			next.className = '';
			old.remove();
			said.textContent = new Date().toLocaleTimeString();
			done();
		});
		graphs.append(next);
	});
}

async function run(renew, everyMs) {
	for (;;) {
		await new Promise((done) => setTimeout(done, everyMs));
		if (wanted())
			await renew();
	}
}

if (overview) {
	filter.addEventListener('input', applyFilter);
	run(renewOverview, 3000);
} else if (graphs) {
	live.addEventListener('change', () => { said.textContent = live.checked ? '' : 'paused'; });
	run(renewGraph, 10000);
}
