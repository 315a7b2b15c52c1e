// Facts about what was measured, for example a request: names and values. The first two facts are
// the headline.

const About = {
  isThere: () => document.getElementById("about-facts") !== null,

  async show() {
    if (!About.isThere()) return;
    const texts = await Data.texts("about-facts");
    const about = document.getElementById("about");
    const location = texts.findIndex((text, at) => at % 2 === 0 && text === "location");
    const headline = [texts[1], texts[3], ...(location < 0 ? [] : [`to ${texts[location + 1]}`])];
    about.querySelector("summary").textContent = headline.join(" → ");
    document.title = `memprof: ${texts[1]}`;
    const list = about.querySelector("dl");
    for (let at = 4; at < texts.length; at += 2) {
      const [term, value] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = texts[at];
      value.textContent = texts[at + 1];
      list.append(term, value);
    }
    about.hidden = false;
  },
};
