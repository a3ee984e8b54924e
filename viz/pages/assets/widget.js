/* A view of the widget: the page in a frame, and messages between it and Python. */
function render({ model, el }) {
  const frame = document.createElement('iframe');
  Object.assign(frame, { title: model.get('title'), srcdoc: model.get('page') });
  frame.setAttribute('sandbox', 'allow-scripts');
  frame.style.cssText = `width:100%;height:${model.get('height')}px;border:0`;
  const told = content => frame.contentWindow?.postMessage(content, '*');
  const heard = ({ source, data }) => { if (source === frame.contentWindow && data?.numbers) model.send({ numbers: data.numbers }); };
  frame.addEventListener('load', () => model.send({ ready: true }));
  addEventListener('message', heard);
  model.on('msg:custom', told);
  el.append(frame);
  return () => { removeEventListener('message', heard); model.off('msg:custom', told); };
}
export default { render };
