// What each step says: its short name on the plan, its heading, its text, its formula and its sources.
// All of it is ours; users' words never come in here. `m` is the packet.

const STEPS = [
  {
    short: "Tokens",
    title: "Text becomes tokens",
    text: () =>
      "A model reads no letters. A tokenizer cuts the text into pieces that it has a number for: <b>tokens</b>. Common words stay whole, rare words fall into pieces, and a mark is put at the beginning and at the end. From here on, the model knows nothing but these numbers.",
    formula: (m) => `text &nbsp;→&nbsp; <i>T</i> = ${m.tokens.length} numbers, each between 0 and ${(m.vocabulary - 1).toLocaleString("en")}`,
    source: "Sennrich et al. 2016 (word pieces), Devlin et al. 2019 (BERT)",
    draw: tokensPicture,
  },
  {
    short: "Embeddings + positions",
    title: "Each token becomes a vector that knows its place",
    text: (m) =>
      `The number of a token picks a row of a learnt table: its <b>embedding</b>, ${m.width} numbers that say what the token is by itself. A second table has a row for each <b>position</b>. Without it the order of words would be lost, because attention looks at all tokens at once.`,
    formula: () => "state = norm( word + position + segment )",
    source: "Vaswani et al. 2017, sections 3.4 and 3.5; Ba et al. 2016 (layer norm)",
    draw: embeddingPicture,
  },
  {
    short: "Query, key, value",
    title: "Every token asks, answers, and has something to give",
    text: (m) =>
      `From its state each token makes three shorter vectors with three learnt matrices. The <b>query</b> says what the token looks for. The <b>key</b> says what it can be found by. The <b>value</b> is what it passes on to whoever reads it. Here they have ${m.each} numbers each, in one head.`,
    formula: () => "<i>q</i> = <i>x W</i><sub>Q</sub> + <i>b</i><sub>Q</sub> &emsp;&ensp; <i>k</i> = <i>x W</i><sub>K</sub> + <i>b</i><sub>K</sub> &emsp;&ensp; <i>v</i> = <i>x W</i><sub>V</sub> + <i>b</i><sub>V</sub>",
    source: "Vaswani et al. 2017, section 3.2",
    draw: queryPicture,
  },
  {
    short: "Dot products",
    title: "A query meets every key",
    text: (m) =>
      `How well do a query and a key match? Multiply them number by number and add up: their <b>dot product</b>. It is large where both point the same way. Dividing by the root of their length, √${m.each}, keeps scores in a range where softmax still listens to all of them.`,
    formula: () => "score<sub><i>ij</i></sub> = <i>q<sub>i</sub></i> · <i>k<sub>j</sub></i> / √<i>d</i>",
    source: "Vaswani et al. 2017, section 3.2.1; an earlier way to score: Bahdanau et al. 2015",
    draw: scorePicture,
  },
  {
    short: "Softmax",
    title: "Scores become shares",
    text: () =>
      "A token has one whole attention to give. <b>Softmax</b> turns its scores into shares that add up to 100&nbsp;%: every score becomes a power of e, and each power is divided by their sum. A score that is higher by 1 gets 2.7 times the share. These shares are what is called the <b>attention</b> of a head.",
    formula: () => "<i>a<sub>ij</sub></i> = exp(score<sub><i>ij</i></sub>) / Σ<sub><i>j′</i></sub> exp(score<sub><i>ij′</i></sub>)",
    source: "Vaswani et al. 2017, section 3.2.1",
    draw: softmaxPicture,
  },
  {
    short: "Weighted sum",
    title: "Reading: a mix of values",
    text: () =>
      "Now the token reads. It takes the value of every token, each in proportion to its share, and adds them up. This is all that attention does: a <b>weighted sum</b>. What has a share near zero leaves no trace in it.",
    formula: () => "<i>z<sub>i</sub></i> = Σ<sub><i>j</i></sub> <i>a<sub>ij</sub> v<sub>j</sub></i>",
    source: "Bahdanau et al. 2015; Vaswani et al. 2017, section 3.2.1",
    draw: sumPicture,
  },
  {
    short: "Heads joined",
    title: "Many heads, side by side",
    text: (m) =>
      `One head gives one way to read. A layer has ${m.heads} of them, with matrices of their own: one may follow the previous word, another a comma, another a word of like meaning. What they find is put side by side and mixed by one more learnt matrix.`,
    formula: () => "attention(<i>x</i>) = [ <i>z</i><sup>1</sup>, <i>z</i><sup>2</sup>, …, <i>z<sup>H</sup></i> ] <i>W</i><sub>O</sub> + <i>b</i><sub>O</sub>",
    source: "Vaswani et al. 2017, section 3.2.2; Clark et al. 2019; lengths of parts: Kobayashi et al. 2020",
    draw: headsPicture,
  },
  {
    short: "Add, normalise",
    title: "Added to what was there, and brought to scale",
    text: () =>
      "What was read is <b>added</b> to the token's own state, not put in its place: a layer corrects, and what it leaves alone passes by. This <b>residual</b> path is why deep models can be trained. A <b>layer norm</b> then brings each state back to mean 0 and spread 1, times a learnt gain.",
    formula: () => "<i>y</i> = norm( <i>x</i> + attention(<i>x</i>) )",
    source: "He et al. 2016 (residuals); Ba et al. 2016 (layer norm)",
    draw: addPicture,
  },
  {
    short: "Feed-forward",
    title: "Each token thinks for itself",
    text: (m) =>
      `After reading, every token goes through a small network of its own: ${m.neurons.toLocaleString("en")} <b>neurons</b>, each a learnt sum of the state. GELU lets positive sums pass and silences negative ones, then all are mixed back into ${m.width} numbers. No token sees another here. The result is added and brought to scale, as before.`,
    formula: () => "<i>x′</i> = norm( <i>y</i> + GELU( <i>y W</i><sub>1</sub> + <i>b</i><sub>1</sub> ) <i>W</i><sub>2</sub> + <i>b</i><sub>2</sub> )",
    source: "Vaswani et al. 2017, section 3.3; Hendrycks & Gimpel 2016 (GELU); Geva et al. 2021",
    draw: forwardPicture,
  },
  {
    short: "Next layers",
    title: "The same again, layer upon layer",
    text: (m) =>
      `That was one layer of ${m.layers}. The next one does the same with other weights, on states that already hold something of their neighbours. So a token of the last layer has read from tokens that have read from tokens: step by step it takes in the whole text.`,
    formula: (m) => `<i>x</i><sup>0</sup> → layer 1 → <i>x</i><sup>1</sup> → … → layer ${m.layers} → <i>x</i><sup>${m.layers}</sup>`,
    source: "Abnar & Zuidema 2020; Tenney et al. 2019",
    draw: layersPicture,
  },
  {
    short: "The answer",
    title: "From the first token to an answer",
    text: (m) =>
      `The first token stands for no word, so its last state is free to sum up the text${m.averaging === null ? "" : " (here an added layer has averaged all tokens into it)"}. The classification head turns it into one number a class, the <b>logits</b>: again sums of products with learnt weights. ${m.answer?.several ? "Each becomes a probability by itself, because a text may have several labels." : "Softmax makes them probabilities, just as it made scores into shares."}`,
    formula: (m) => (m.answer?.several ? "<i>p<sub>c</sub></i> = 1 / (1 + exp(−logit<sub><i>c</i></sub>))" : "<i>p<sub>c</sub></i> = exp(logit<sub><i>c</i></sub>) / Σ<sub><i>c′</i></sub> exp(logit<sub><i>c′</i></sub>)"),
    source: "Devlin et al. 2019, section 3.2. Attention shows where a head reads; it is not by itself an explanation (Jain & Wallace 2019)",
    draw: answerPicture,
  },
];
