// Prints where Babylon finds the frames of a sheet: by name, the part that its sprites are drawn from. Argument: a JSON file.
import { readFileSync } from "node:fs";
import { NullEngine } from "@babylonjs/core/Engines/nullEngine.js";
import { Scene } from "@babylonjs/core/scene.js";
import { SpriteManager } from "@babylonjs/core/Sprites/spriteManager.js";
import { Sprite } from "@babylonjs/core/Sprites/sprite.js";
import "@babylonjs/core/Sprites/spriteSceneComponent.js";

const told = readFileSync(process.argv[2], "utf8");
const scene = new Scene(new NullEngine());
const manager = new SpriteManager("sheet", "data:,", 1, 64, scene, 0.01, 1, true, told);
const { w, h } = JSON.parse(told).meta.size;
const found = {};
for (const name of Object.keys(manager._cellData)) {
  const sprite = new Sprite(name, manager);
  sprite.cellRef = name;
  manager._customUpdate(sprite, { width: w, height: h });
  found[name] = [sprite._xOffset, sprite._yOffset, sprite._xSize, sprite._ySize];
  sprite.dispose();
}
console.log(JSON.stringify(found));
process.exit(0);
