// A run that an explorer's reader begins: beside the page, in a worker of its own, which
// every run of the page shares. Python draws the first weights and the minibatches, and is
// told what has come of them.

const shared = {};  // the worker, whose run it has, and that run's number

export class Training {
  // `load()` answers with the files that training takes
  constructor(explorer, load) {
    Object.assign(this, {explorer, load, done: 0, total: 1});
    const place = explorer.box.querySelector('.training');
    this.buttons = Object.fromEntries([...place.querySelectorAll('button')].map(button => {
      button.onclick = () => this[button.dataset.train]();
      return [button.dataset.train, button];
    }));
    this.seed = place.querySelector('input');
    this.bar = place.querySelector('progress');
    this.buttons.start.disabled = true;
  }

  get byHand() { return 'restart' in this.buttons; }

  alive() { this.buttons.start.disabled = false; }

  // By hand a run goes on where it was held, else each begins anew.
  start() {
    if (this.byHand && shared.owner === this && this.done < this.total) this.go(true);
    else this.restart();
  }

  stop() { this.go(false); }

  async restart() {
    if (shared.owner !== this) shared.owner?.go(false);
    shared.owner = this;
    for (const button of Object.values(this.buttons)) button.disabled = true;
    try {
      shared.worker ??= begun(await this.load());
      for (const size of document.querySelectorAll('.training .size')) size.remove();
      this.explorer.want('train', this.seed.value.trim());
    } catch (error) {
      this.explorer.say([`What training takes could not be loaded: ${error}.`]);
    }
    this.buttons.start.disabled = false;  // a seed may be wrong
  }

  begin(places, data) {
    const {weights, orders, rates} = Object.fromEntries(Object.entries(places)
      .map(([name, [begin, end]]) => [name, data.subarray(begin, end)]));
    shared.id = (shared.id || 0) + 1;
    [this.id, this.done, this.total] = [shared.id, 0, orders.length];
    this.post({begin: {id: this.id, weights: Float32Array.from(weights),
      orders: Int32Array.from(orders), rates: rates?.slice(), batch: 64}});
    this.moved();
    this.go(true);
  }

  moved() { if (this.byHand) this.post({lr: +this.explorer.controls.lr.get()}); }

  post(message) { if (shared.owner === this) shared.worker?.postMessage(message); }

  go(on) {
    this.post({go: on});
    this.buttons.stop.disabled = !on;
    if (this.byHand) [this.buttons.start.disabled, this.buttons.restart.disabled] = [on, false];
    if (this.id) this.tell({message: on ? 'Training.' : this.byHand ? 'Held: Start goes on.' : 'Stopped.'});
  }

  tell(news) { this.explorer.want('told', JSON.stringify(news)); }

  told({id, done, epoch, lr}) {
    if (id !== this.id) return;
    this.bar.value = (this.done = done) / this.total;
    this.rates = [...this.rates || [], ...lr];
    if (!epoch && !this.byHand) return;  // a screen reader speaks each time
    const ended = done === this.total || epoch && !Number.isFinite(epoch.loss);
    if (ended) this.done = this.total;
    this.tell({lr: this.rates.splice(0), ...(epoch && {epoch})});
    if (ended) {
      this.post({go: false});
      this.buttons.stop.disabled = true;
      this.buttons.start.disabled = false;
    }
  }
}

function begun(files) {
  const text = new TextDecoder().decode(files['trainer.js']);
  // such an address serves from a disk as well
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(text)}`);
  worker.onmessage = ({data: message}) => {
    if (message.failed) shared.owner.explorer.say([`Training has failed: ${message.failed}.`]);
    else shared.owner.told(message);
  };
  worker.postMessage({files}, Object.values(files));
  return worker;
}
