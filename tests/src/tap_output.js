// Measures what a page plays where it leaves the page, and remembers its peer connections. Run before the page plays.
const analysers = [];
const connections = [];
const { AudioNode, AudioDestinationNode, RTCPeerConnection } = window;

const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (...to) {
  if (to[0] instanceof AudioDestinationNode) {
    const analyser = to[0].context.createAnalyser();
    analyser.fftSize = 8192;
    connect.call(this, analyser);
    analysers.push(analyser);
  }
  return connect.apply(this, to);
};

window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) {
    super(...given);
    connections.push(this);
  }
};

/** The loudest of all outputs at the moment, in dB below full scale. */
function level() {
  const powers = analysers.map((analyser) => {
    const samples = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(samples);
    return samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  });
  return 10 * Math.log10(Math.max(1e-20, ...powers));
}

window.heard = { connections, level };
