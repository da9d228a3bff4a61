// Times a few requests for this very page and writes the median under it: what one visitor, alone, feels.
const requests = 21;

async function milliseconds() {
  const start = performance.now();
  const response = await fetch(location.href, { cache: "no-store" });
  await response.arrayBuffer();
  return performance.now() - start;
}

async function report(place) {
  await milliseconds(); // The first may still open a connection.
  const times = [];
  for (let request = 0; request < requests; request += 1) {
    times.push(await milliseconds());
  }
  times.sort((a, b) => a - b);
  const median = times[(requests - 1) / 2];
  place.textContent = `The median of ${requests} requests from here took ${median.toFixed(1)} ms.`;
}

const place = document.getElementById("round-trip");
if (place) {
  report(place).catch((error) => {
    place.textContent = `The round trip could not be timed: ${error.message}.`;
  });
}
