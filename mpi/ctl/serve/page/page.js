/* SPDX-License-Identifier: BSD-3-Clause */
'use strict';
(() => {
  const main = document.querySelector('main'), state = document.querySelector('#state');
  const interval = Number(main.dataset.interval);
  let since = new Date();
  async function show() {
    try {
      const answer = await fetch('part', {cache: 'no-store'});
      if (!answer.ok) throw new Error(answer.status);
      const text = await answer.text();
      const left = [...main.querySelectorAll('.wide')].map(box => box.scrollLeft);
      main.innerHTML = text; // names are escaped, and scripts in it do not run
      main.querySelectorAll('.wide').forEach((box, i) => { box.scrollLeft = left[i] || 0; });
      since = new Date();
      state.textContent = '';
    } catch (error) {
      state.className = 'bad';
      state.textContent = 'No answer since ' + since.toLocaleTimeString() + '; the job may have ended.';
    }
  }
  setInterval(() => { if (!document.hidden) show(); }, interval);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) show(); });
})();
