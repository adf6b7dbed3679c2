Deno.test("a job that takes a while, and prints when it began and ended", async () => {
  const begin = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 400));
  console.log("span", begin, Date.now());
});
